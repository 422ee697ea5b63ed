// @ts-check
/** @import { LoadSettings, ModelCard } from "../../backend/types.d.ts" */
import { watchComposition } from "../../dom/composition.js";
import { create, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";
import { AdapterList, fileLabel } from "./adapter-list.js";

/** @typedef {(patch: Partial<LoadSettings>) => void} Change */

/** The settings behind "More settings". */
export class LoadOptions extends HTMLElement {
  #grid = create("div", { class: "option-grid" });
  /** Who of several GPUs takes what. */
  #split = create("div", { class: "option-grid", hidden: true });
  #draftModel = create("div", { class: "draft-model" });
  #adapters = new AdapterList();
  #summary = create("summary", { class: "plain", id: "load-more" });

  constructor() {
    super();
    this.append(create("details", {}, this.#summary, this.#grid, this.#split, this.#draftModel, this.#adapters));
  }

  /** Builds the fields anew for a file. @param {ModelCard} card @param {LoadSettings} settings @param {Change} change */
  show(card, settings, change) {
    setText(this.#summary, translate("load.more"));
    const layers = (card.layers ?? 0) + 1;
    const types = ["f16", "q8_0", "q4_0"];
    this.#grid.replaceChildren(
      ...numberOption("nGpuLayers", settings.nGpuLayers, -1, Math.max(layers, 999), change),
      ...numberOption("batchSize", settings.batchSize, 32, 8192, change),
      ...numberOption("threads", settings.threads, 0, 512, change),
      ...selectOption("kvTypeK", settings.kvTypeK, types, (value) => value, change),
      ...selectOption("kvTypeV", settings.kvTypeV, types, (value) => value, change),
      ...automaticOption("flashAttention", settings.flashAttention, change),
      ...automaticOption("mmap", settings.mmap, change),
      ...checkOption("useMlock", settings.useMlock, change),
      ...checkOption("promptLookup", settings.promptLookup, change),
    );
    this.#split.replaceChildren(
      ...selectOption(
        "gpuSplit",
        settings.gpuSplit,
        ["layers", "rows", "tensors", "none"],
        (value) => translate(`load.split.${value}`),
        change,
      ),
      ...numberOption("mainGpu", settings.mainGpu, 0, 15, change),
      ...sharesOption(settings.gpuShares, change),
    );
    this.#showDraftModel(settings.draftModel, change);
    this.#adapters.show(settings.adapters, (adapters) => change({ adapters }));
  }

  /** @param {string | null} path @param {Change} change */
  #showDraftModel(path, change) {
    /** @param {string | null} draftModel */
    const set = (draftModel) => {
      change({ draftModel });
      this.#showDraftModel(draftModel, change);
    };
    const button = create("button", {
      type: "button",
      id: "draft-model",
      class: "quiet",
      text: path === null ? "load.draftModel.choose" : "load.draftModel.remove",
      tooltip: "load.draftModel.about",
      onclick: () =>
        path === null ? emit(this, "model-part-pick", { kind: "draftModel", take: (chosen) => set(chosen) }) : set(null),
    });
    const label = path === null ? null : fileLabel(path);
    this.#draftModel.replaceChildren(...(label ? [translate("load.draftModel"), label] : []), button);
  }

  /** @param {number} count */
  setGpus(count) {
    setShown(this.#split, count > 1);
  }
}

/** @param {keyof LoadSettings} name @param {HTMLElement} input */
function labelled(name, input) {
  input.id = `load-${name}`;
  input.title = translate(`load.option.${name}.about`);
  return [create("label", { for: input.id, title: input.title }, translate(`load.option.${name}`)), input];
}

/** @param {keyof LoadSettings} name @param {number} value @param {number} minimum @param {number} maximum @param {Change} change */
function numberOption(name, value, minimum, maximum, change) {
  const input = create("input", { type: "number", class: "field numbers", min: minimum, max: maximum, step: 1 });
  input.value = String(value);
  input.addEventListener("change", () => {
    const typed = Number.isNaN(input.valueAsNumber) ? value : Math.round(input.valueAsNumber);
    input.value = String(Math.min(maximum, Math.max(minimum, typed)));
    change({ [name]: Number(input.value) });
  });
  return labelled(name, input);
}

/** @param {keyof LoadSettings} name @param {string} value @param {string[]} choices @param {(value: string) => string} text @param {Change} change */
function selectOption(name, value, choices, text, change) {
  const input = create(
    "select",
    { class: "field" },
    ...choices.map((choice) => create("option", { value: choice }, text(choice))),
  );
  input.value = value;
  input.addEventListener("change", () => change({ [name]: input.value }));
  return labelled(name, input);
}

/** Automatic, on or off. @param {keyof LoadSettings} name @param {string} value @param {Change} change */
function automaticOption(name, value, change) {
  return selectOption(name, value, ["auto", "on", "off"], (choice) => translate(`load.choice.${choice}`), change);
}

/** @param {number[]} shares @param {Change} change */
function sharesOption(shares, change) {
  const input = watchComposition(
    create("input", { type: "text", class: "field numbers", placeholder: "load.sharesFree" }),
  );
  input.value = shares.join(", ");
  input.addEventListener("change", () => {
    const pieces = input.value.normalize("NFKC").split(/[,;、\s]+/u);
    const typed = pieces.filter((piece) => piece !== "").map(Number);
    const isUsable = typed.every((share) => Number.isFinite(share) && share >= 0) && typed.some((share) => share > 0);
    const gpuShares = isUsable ? typed : [];
    input.value = gpuShares.join(", ");
    change({ gpuShares });
  });
  return labelled("gpuShares", input);
}

/** @param {keyof LoadSettings} name @param {boolean} value @param {Change} change */
function checkOption(name, value, change) {
  const input = create("input", { type: "checkbox" });
  input.checked = value;
  input.addEventListener("change", () => change({ [name]: input.checked }));
  return labelled(name, input);
}

customElements.define("load-options", LoadOptions);
