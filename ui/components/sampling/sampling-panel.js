// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setShown } from "../../dom/create.js";
import { furtherFields, primaryFields, samplingGroups } from "../../state/sampling-fields.js";
import { SamplingGroup } from "./sampling-group.js";
import { SamplingSeed } from "./sampling-seed.js";
import { SamplingSlider } from "./sampling-slider.js";

/** How the next token is chosen. */
export class SamplingPanel extends HTMLElement {
  #primary = primaryFields.map((field) => new SamplingSlider(field));
  #further = furtherFields.map((field) => new SamplingSlider(field));
  #groups = samplingGroups.map((group) => new SamplingGroup(group));
  #seed = new SamplingSeed();
  /** One of the groups is on. */
  #on = create("span", { class: "from live", text: "sampling.on" });
  #body = create("div", { class: "sampling-body" });
  #absent = create("p", { class: "small", text: "sampling.absent" });
  /** @type {unknown[]} */
  #drawn = [];

  constructor() {
    super();
    const more = create(
      "details",
      { id: "sampling-more" },
      create("summary", { class: "small" }, create("span", { text: "sampling.more" }), " ", this.#on),
      ...this.#further,
      this.#seed,
      ...this.#groups,
    );
    this.#body.append(...this.#primary, more);
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
    for (const slider of [...this.#primary, ...this.#further])
      slider.update(sampling[slider.field.name], state.samplingMarks[slider.field.name]);
    setShown(
      this.#on,
      samplingGroups.some((group) => group.isOn(sampling)),
    );
    for (const group of this.#groups) group.update(sampling, state.samplingMarks);
    this.#seed.update(sampling.seed, state.samplingMarks.seed);
  }
}

customElements.define("sampling-panel", SamplingPanel);
