// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setShown } from "../../dom/create.js";
import { samplingFields } from "../../state/sampling-fields.js";
import { SamplingSeed } from "./sampling-seed.js";
import { SamplingSlider } from "./sampling-slider.js";

/** How the next token is chosen. */
export class SamplingPanel extends HTMLElement {
  #sliders = samplingFields.map((field) => new SamplingSlider(field));
  #seed = new SamplingSeed();
  #body = create("div", { class: "sampling-body" });
  #absent = create("p", { class: "small", text: "sampling.absent" });
  /** @type {unknown[]} */
  #drawn = [];

  constructor() {
    super();
    const primary = this.#sliders.filter((slider) => slider.field.primary);
    const others = this.#sliders.filter((slider) => !slider.field.primary);
    const more = create(
      "details",
      { id: "sampling-more" },
      create("summary", { class: "small", text: "sampling.more" }),
      ...others,
      this.#seed,
    );
    this.#body.append(...primary, more);
    this.append(create("h2", { text: "sampling.title" }), this.#body, this.#absent);
  }

  /** @param {AppState} state */
  update(state) {
    const sampling = state.conversation?.sampling ?? null;
    const wanted = [sampling, state.samplingMarks, state.language];
    if (this.#drawn.length > 0 && wanted.every((value, index) => value === this.#drawn[index])) return;
    this.#drawn = wanted;
    setShown(this.#body, sampling !== null);
    setShown(this.#absent, sampling === null);
    if (!sampling) return;
    for (const slider of this.#sliders)
      slider.update(sampling[slider.field.name], state.samplingMarks[slider.field.name]);
    this.#seed.update(sampling.seed, state.samplingMarks.seed);
  }
}

customElements.define("sampling-panel", SamplingPanel);
