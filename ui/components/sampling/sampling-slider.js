// @ts-check
/** @import { SamplingValue } from "../../backend/types.d.ts" */
/** @import { SamplingMark } from "../../state/state.d.ts" */
/** @import { SamplingField } from "../../state/sampling-fields.js" */
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create, setAttribute, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { LiveValue } from "./live-value.js";

/** One sampling setting: name, where its value comes from, number, slider. */
export class SamplingSlider extends HTMLElement {
  #from = create("span", { class: "from" });
  #reset = create(
    "button",
    { type: "button", class: "sampling-reset", label: "sampling.reset", tooltip: "sampling.reset" },
    icon("reset"),
  );
  #range = create("input", { type: "range" });
  #number = watchComposition(create("input", { type: "number", class: "field numbers", inputmode: "decimal" }));
  #unlimited = create("input", { type: "checkbox" });
  /** @type {number} the number to come back to from "no limit" */
  #lastNumber;
  /** @type {LiveValue<number | null | undefined>} */
  #live;

  /** @param {SamplingField} field */
  constructor(field) {
    super();
    this.field = field;
    const { name, minimum, maximum, step } = field;
    const id = `sampling-${name.replaceAll("_", "-")}`;
    this.#lastNumber = Math.min(maximum, Math.max(minimum, 512));
    this.#live = new LiveValue((value) => emit(this, "sampling-change", { name, value }));
    this.dataset.sampling = name;
    for (const input of [this.#range, this.#number])
      Object.assign(input, { min: String(minimum), max: String(maximum), step: String(step) });
    this.#number.step = "any";
    this.#range.id = id;
    this.#number.id = `${id}-number`;
    this.#unlimited.id = `${id}-unlimited`;
    this.#reset.id = `${id}-reset`;
    const label = create("label", { for: id, text: `sampling.${name}`, tooltip: `sampling.${name}.about` });
    this.append(
      create("div", { class: "slider-head" }, label, this.#from, this.#reset),
      this.#number,
      this.#range,
      ...(field.optional
        ? [create("label", { class: "unlimited small" }, this.#unlimited, create("span", { text: "sampling.noLimit" }))]
        : []),
    );
    this.#listen();
  }

  #listen() {
    this.#range.addEventListener("input", () => {
      this.#number.value = this.#range.value;
      this.#fill(Number(this.#range.value));
      this.#live.push(Number(this.#range.value));
    });
    this.#number.addEventListener("change", () => this.#commitNumber());
    this.#number.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !isComposing(event)) this.#commitNumber();
    });
    this.#unlimited.addEventListener("change", () =>
      this.#live.push(this.#unlimited.checked ? null : this.#lastNumber),
    );
    this.#reset.addEventListener("click", () => this.#live.push(undefined));
  }

  #commitNumber() {
    const { minimum, maximum, digits } = this.field;
    const typed = this.#number.valueAsNumber;
    if (Number.isNaN(typed)) {
      this.#number.value = this.#range.value;
      return;
    }
    const value = Number(Math.min(maximum, Math.max(minimum, typed)).toFixed(digits));
    this.#number.value = value.toFixed(digits);
    this.#live.push(value);
  }

  /** @param {SamplingValue} setting @param {SamplingMark | undefined} mark */
  update(setting, mark) {
    const { value } = setting;
    if (value !== null) this.#lastNumber = value;
    this.#unlimited.checked = value === null;
    this.#range.disabled = this.#number.disabled = value === null;
    const shown = value ?? this.#lastNumber;
    if (document.activeElement !== this.#range || Number(this.#range.value) !== shown)
      this.#range.value = String(shown);
    if (document.activeElement !== this.#number)
      this.#number.value = value === null ? "" : shown.toFixed(this.field.digits);
    this.#fill(value === null ? this.field.minimum : shown);
    setAttribute(this.#range, "aria-valuetext", value === null ? translate("sampling.noLimit") : String(shown));
    const about = translate(`sampling.${this.field.name}.about`);
    setAttribute(this.#range, "title", about);
    setAttribute(this.#range, "aria-description", about);
    setAttribute(this.#number, "aria-label", translate(`sampling.${this.field.name}`));
    setText(this.#from, markText(mark) ?? translate(`sampling.from.${setting.source}`));
    this.#from.classList.toggle("live", mark !== undefined);
    setShown(this.#reset, setting.source === "conversation");
  }

  /** @param {number} value */
  #fill(value) {
    const { minimum, maximum } = this.field;
    this.#range.style.setProperty("--fill", `${((value - minimum) / (maximum - minimum)) * 100}%`);
  }
}

/** @param {SamplingMark | undefined} mark */
function markText(mark) {
  if (!mark) return null;
  return mark.kind === "pending"
    ? translate("sampling.pending")
    : translate("sampling.applied", { token: mark.fromToken });
}

customElements.define("sampling-slider", SamplingSlider);
