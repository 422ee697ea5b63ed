// @ts-check
import { create, setShown, setText } from "../../dom/create.js";
import { formatSeconds } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

/** The model's thoughts, folded. */
export class MessageThinking extends HTMLElement {
  #summary = create("summary");
  #text = create("div", { class: "think-text" });
  #details = create("details", { class: "think" }, this.#summary, this.#text);
  #written = 0;

  constructor() {
    super();
    this.append(this.#details);
  }

  /** @param {string} reasoning @param {boolean} thinking @param {number | null} time milliseconds */
  update(reasoning, thinking, time) {
    setShown(this, reasoning !== "" || thinking);
    if (this.hidden) return;
    setText(
      this.#summary,
      translate(thinking ? "message.thinking" : time === null ? "message.thoughts" : "message.thought", {
        time: time === null ? "" : formatSeconds(time),
      }),
    );
    this.#details.classList.toggle("now", thinking);
    this.#write(reasoning);
  }

  /** Appends what is new; a text that is not a continuation replaces the old one. @param {string} reasoning */
  #write(reasoning) {
    if (reasoning.length < this.#written) this.#text.textContent = "";
    const start = this.#text.textContent === "" ? 0 : this.#written;
    if (reasoning.length > start) this.#text.append(reasoning.slice(start));
    this.#written = reasoning.length;
  }
}

customElements.define("message-thinking", MessageThinking);
