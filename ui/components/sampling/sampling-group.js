// @ts-check
/** @import { Sampling } from "../../backend/types.d.ts" */
/** @import { AppState } from "../../state/state.d.ts" */
/** @import { SamplingGroup as Group } from "../../state/sampling-fields.js" */
import { create, setAttribute, setShown } from "../../dom/create.js";
import { translate } from "../../locales/translate.js";
import { SamplingSlider } from "./sampling-slider.js";

/** The settings of one sampler, folded, with a word on whether it is on. */
export class SamplingGroup extends HTMLElement {
  #on = create("span", { class: "from live", text: "sampling.on" });
  #summary = create("summary", { class: "small" });
  /** @type {SamplingSlider[]} */
  #sliders;
  /** @type {Group} */
  #group;

  /** @param {Group} group */
  constructor(group) {
    super();
    this.#group = group;
    this.#sliders = group.fields.map((field) => new SamplingSlider(field));
    const id = `sampling-${group.name}-group`;
    this.#summary.append(create("span", { id: `${id}-name`, text: `sampling.group.${group.name}` }), " ", this.#on);
    const attributes = { class: "sampling-group-body", role: "group", "aria-labelledby": `${id}-name` };
    const body = create("div", attributes, ...this.#sliders);
    this.append(create("details", { id }, this.#summary, body));
  }

  /** @param {Sampling} sampling @param {AppState["samplingMarks"]} marks */
  update(sampling, marks) {
    for (const slider of this.#sliders) slider.update(sampling[slider.field.name], marks[slider.field.name]);
    const about = translate(`sampling.group.${this.#group.name}.about`);
    setAttribute(this.#summary, "title", about);
    setAttribute(this.#summary, "aria-description", about);
    setShown(this.#on, this.#group.isOn(sampling));
  }
}

customElements.define("sampling-group", SamplingGroup);
