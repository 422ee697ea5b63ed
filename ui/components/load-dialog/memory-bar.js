// @ts-check
/** @import { LoadSettings, ModelCard } from "../../backend/types.d.ts" */
import { create, setAttribute, setText } from "../../dom/create.js";
import { formatBytes } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { estimateMemory } from "./memory.js";

/** Weights and context against the memory that is free. */
export class MemoryBar extends HTMLElement {
  #label = create("span");
  #sum = create("span", { class: "numbers" });
  #weights = create("span", { class: "memory-weights" });
  #context = create("span", { class: "memory-context" });
  #bar = create("div", { class: "memory-bar numbers", role: "img" }, this.#weights, this.#context);

  constructor() {
    super();
    this.id = "memory";
    this.append(create("div", { class: "memory-head small" }, this.#label, this.#sum), this.#bar);
  }

  /** @param {ModelCard} card @param {LoadSettings} settings */
  update(card, settings) {
    const { weights, context, total, available, fits } = estimateMemory(card, settings);
    const scale = Math.max(total, available, 1);
    this.#weights.style.width = `${(weights / scale) * 100}%`;
    this.#context.style.width = `${(context / scale) * 100}%`;
    setText(this.#weights, weights / scale > 0.2 ? translate("load.weights", { size: formatBytes(weights) }) : "");
    setText(
      this.#context,
      context / scale > 0.2 ? translate("load.contextMemory", { size: formatBytes(context) }) : "",
    );
    this.classList.toggle("too-large", !fits);
    setText(this.#label, translate(fits ? "load.fits" : "load.tooLarge"));
    const sum = translate("load.memory", { total: formatBytes(total), available: formatBytes(available) });
    setText(this.#sum, sum);
    setAttribute(this.#bar, "aria-label", sum);
    setAttribute(
      this.#bar,
      "title",
      `${translate("load.weights", { size: formatBytes(weights) })} · ${translate("load.contextMemory", { size: formatBytes(context) })}`,
    );
  }
}

customElements.define("memory-bar", MemoryBar);
