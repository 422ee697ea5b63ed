// @ts-check
/** The one file that puts HTML into the page: sanitised by the backend, held back by the CSP. */
import { copyText } from "../../dom/clipboard.js";
import { create, setText } from "../../dom/create.js";
import { translate } from "../../locales/translate.js";

const COPIED_SHOWN = 1500;

/** Text as HTML: a part that stays, and a tail that the next piece replaces. */
export class MessageMarkup extends HTMLElement {
  #settled = create("div", { class: "settled" });
  #tail = create("div", { class: "tail" });
  #caret = create("span", { class: "caret", "aria-hidden": "true" });
  #settledLength = 0;
  #tailHtml = "";

  constructor() {
    super();
    this.append(this.#settled, this.#tail);
  }

  /** Shows a whole text. @param {string} html */
  show(html) {
    this.#caret.remove();
    this.#settled.replaceChildren(parse(html));
    this.#tail.replaceChildren();
    this.#settledLength = 0;
    this.#tailHtml = "";
  }

  /** Shows what has been written so far. @param {string} settled grows at its end only @param {string} tail */
  stream(settled, tail) {
    if (this.#settledLength === 0) this.#settled.replaceChildren();
    if (settled.length > this.#settledLength) {
      this.#settled.append(parse(settled.slice(this.#settledLength)));
      this.#settledLength = settled.length;
    }
    if (tail !== this.#tailHtml) {
      this.#tail.replaceChildren(parse(tail));
      this.#tailHtml = tail;
    }
    this.#placeCaret();
  }

  /** At the end of the last line of text, or below what no line can follow. */
  #placeCaret() {
    const last = [...this.#tail.children].findLast((child) => child !== this.#caret) ?? this.#settled.lastElementChild;
    let place = last && !last.matches("hr, .table") ? last : this.#tail;
    while (place.lastElementChild?.matches("ul, ol, li, p, blockquote, .code, pre, pre > code")) {
      place = place.lastElementChild;
    }
    if (this.#caret.parentElement !== place || this.#caret.nextSibling) place.append(this.#caret);
  }
}

/** @param {string} html */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const head of template.content.querySelectorAll(".code-head")) head.append(copyButton(head));
  for (const scroller of template.content.querySelectorAll(".table")) scroller.setAttribute("tabindex", "0");
  for (const image of template.content.querySelectorAll(".image-placeholder"))
    image.setAttribute("title", image.getAttribute("data-src") ?? "");
  return template.content;
}

/** @param {Element} head */
function copyButton(head) {
  const button = create("button", { type: "button", class: "code-copy", text: "code.copy" });
  button.addEventListener("click", async () => {
    if (!(await copyText(codeBelow(head)))) return;
    setText(button, translate("code.copied"));
    setTimeout(() => setText(button, translate("code.copy")), COPIED_SHOWN);
  });
  return button;
}

/** The code of a block; a long one goes on in the blocks right after it, even across what is settled. @param {Element} head */
function codeBelow(head) {
  const markup = head.closest("message-markup");
  const blocks = [...(markup?.querySelectorAll(".settled > *, .tail > *") ?? [])];
  const first = head.closest(".code");
  const pieces = [first];
  for (const block of blocks.slice(blocks.findIndex((each) => each === first) + 1)) {
    if (!block.classList.contains("code-continued")) break;
    pieces.push(block);
  }
  return pieces.map((piece) => piece?.querySelector("pre")?.textContent ?? "").join("");
}

customElements.define("message-markup", MessageMarkup);
