// @ts-check
/** @import { ContextUse } from "../../backend/types.d.ts" */
import { create, setAttribute, setShown, setText } from "../../dom/create.js";
import { formatNumber, formatPercent } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

const NEARLY_FULL = 0.9;

/** How much of the model's context the conversation takes. */
export class ContextMeter extends HTMLElement {
  #fill = create("span", { class: "meter-fill" });
  #bar = create("span", { class: "meter-bar", role: "meter", label: "context.label", "aria-valuemin": 0 }, this.#fill);
  #text = create("span", { class: "numbers small" });

  constructor() {
    super();
    this.id = "context-meter";
    this.append(this.#bar, this.#text);
  }

  /** @param {ContextUse | null} context */
  update(context) {
    setShown(this, context !== null);
    if (!context) return;
    const share = context.size > 0 ? Math.min(1, context.used / context.size) : 0;
    this.#fill.style.width = `${share * 100}%`;
    this.classList.toggle("nearly-full", share >= NEARLY_FULL);
    setText(this.#text, `${formatNumber(context.used)} / ${formatNumber(context.size)}`);
    setAttribute(this.#bar, "aria-valuemax", String(context.size));
    setAttribute(this.#bar, "aria-valuenow", String(context.used));
    setAttribute(
      this,
      "title",
      translate("context.tooltip", { used: context.used, size: context.size, percent: formatPercent(share) }),
    );
  }
}

customElements.define("context-meter", ContextMeter);
