// @ts-check
import { create, setShown, setText } from "../../dom/create.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";

/** From this length on a text is held beside the field: a text area with megabytes in it takes seconds to lay out. */
export const HELD_LENGTH = 100_000;

/** A very long text that goes with the message without standing in the text area. */
export class HeldText extends HTMLElement {
  #label = create("span", { class: "numbers" });
  text = "";

  /** @param {() => void} onRemove */
  constructor(onRemove) {
    super();
    this.hidden = true;
    const remove = create(
      "button",
      {
        type: "button",
        class: "icon-button",
        label: "composer.removeHeld",
        tooltip: "composer.removeHeld",
        onclick: onRemove,
      },
      icon("close"),
    );
    this.append(icon("file"), this.#label, remove);
  }

  /** @param {string} text */
  hold(text) {
    this.text = text;
    this.update();
  }

  update() {
    setShown(this, this.text !== "");
    if (this.text !== "") setText(this.#label, translate("composer.held", { count: this.text.length }));
  }
}

customElements.define("held-text", HeldText);
