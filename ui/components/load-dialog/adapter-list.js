// @ts-check
/** @import { Adapter } from "../../backend/types.d.ts" */
import { watchComposition } from "../../dom/composition.js";
import { create } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";

/** The most that an adapter can be turned up, in either direction. */
const LARGEST = 10;

/** The adapters that are laid over the model's weights, and how much of each. */
export class AdapterList extends HTMLElement {
  #rows = create("div", { class: "adapter-rows" });
  /** @type {Adapter[]} */
  #adapters = [];
  /** @type {(adapters: Adapter[]) => void} */
  #change = () => {};

  constructor() {
    super();
    const add = create("button", {
      type: "button",
      id: "adapter-add",
      class: "quiet",
      text: "load.adapter.add",
      tooltip: "load.adapter.about",
      onclick: () =>
        emit(this, "model-part-pick", {
          kind: "adapter",
          take: (path) => this.#set([...this.#adapters, { path, scale: 1 }]),
        }),
    });
    this.append(this.#rows, add);
  }

  /** @param {Adapter[]} adapters @param {(adapters: Adapter[]) => void} change */
  show(adapters, change) {
    this.#change = change;
    this.#build(adapters);
  }

  /** @param {Adapter[]} adapters */
  #set(adapters) {
    this.#build(adapters);
    this.#change(adapters);
  }

  /** @param {Adapter[]} adapters */
  #build(adapters) {
    this.#adapters = adapters;
    this.#rows.replaceChildren(...adapters.map((adapter, index) => this.#row(adapter, index)));
  }

  /** @param {Adapter} adapter @param {number} index */
  #row(adapter, index) {
    const name = fileName(adapter.path);
    const scale = watchComposition(
      create("input", { type: "number", class: "field numbers", min: -LARGEST, max: LARGEST, step: 0.1 }),
    );
    scale.value = String(adapter.scale);
    scale.setAttribute("aria-label", translate("load.adapter.scale", { name }));
    scale.title = translate("load.adapter.scaleAbout");
    scale.addEventListener("change", () => {
      const before = this.#adapters[index].scale;
      const typed = Number.isNaN(scale.valueAsNumber) ? before : scale.valueAsNumber;
      const clamped = Math.min(LARGEST, Math.max(-LARGEST, typed));
      scale.value = String(clamped);
      // The rows stay: whoever typed goes on from here.
      this.#adapters = this.#adapters.with(index, { ...adapter, scale: clamped });
      this.#change(this.#adapters);
    });
    const remove = create("button", {
      type: "button",
      class: "quiet",
      text: "load.adapter.remove",
      onclick: () => this.#set(this.#adapters.toSpliced(index, 1)),
    });
    remove.setAttribute("aria-label", translate("load.adapter.removeOne", { name }));
    return create("div", { class: "adapter-row" }, fileLabel(adapter.path), scale, remove);
  }
}

/** @param {string} path */
export function fileName(path) {
  return path.split(/[\\/]/u).at(-1) ?? path;
}

/** The name of a file, and its path as a tooltip. @param {string} path */
export function fileLabel(path) {
  const label = create("span", { class: "file-name" }, fileName(path));
  label.title = path;
  return label;
}

customElements.define("adapter-list", AdapterList);
