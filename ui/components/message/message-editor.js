// @ts-check
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { fitHeight } from "../composer/fit-height.js";

const MAXIMUM_HEIGHT = 420;

/** A message's text in the place where it stood, to be changed. */
export class MessageEditor extends HTMLElement {
  #input = watchComposition(create("textarea", { class: "field edit-input", rows: 1, label: "message.editLabel" }));

  /** @param {string} id @param {string} text @param {boolean} own */
  constructor(id, text, own) {
    super();
    this.#input.value = text;
    const save = () => emit(this, "message-save", { id, text: this.#input.value });
    const cancel = () => emit(this, "message-edit-end", null);
    this.append(
      this.#input,
      create(
        "div",
        { class: "dialog-actions" },
        create("button", {
          type: "button",
          class: "action edit-save",
          text: own ? "message.saveAndSend" : "message.save",
          onclick: save,
        }),
        create("button", { type: "button", class: "plain edit-cancel", text: "message.cancel", onclick: cancel }),
        create("span", { class: "small", text: "message.editHint" }),
      ),
    );
    this.#input.addEventListener("input", () => fitHeight(this.#input, MAXIMUM_HEIGHT));
    this.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Escape") {
        event.preventDefault();
        cancel();
      }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    });
  }

  connectedCallback() {
    fitHeight(this.#input, MAXIMUM_HEIGHT);
    this.#input.focus({ preventScroll: true });
    this.scrollIntoView({ block: "nearest" });
    this.#input.setSelectionRange(this.#input.value.length, this.#input.value.length);
  }
}

customElements.define("message-editor", MessageEditor);
