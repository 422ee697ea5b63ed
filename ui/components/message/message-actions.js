// @ts-check
/** @import { Message } from "../../backend/types.d.ts" */
import { copyText } from "../../dom/clipboard.js";
import { create, setAttribute, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { formatNumber } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { timingsText, timingsTooltip } from "./timings-text.js";

const COPIED_SHOWN = 1500;
const continuable = new Set(["stopped", "length", "failed", "interrupted"]);

/** What can be done with a message, its branches and how long it took. */
export class MessageActions extends HTMLElement {
  /** @type {Message | null} */
  #message = null;
  #copy = this.#button("message-copy", "message.copy", () => this.#copyMessage());
  #edit = this.#button("message-edit", "message.edit", (id) => emit(this, "message-edit", { id }));
  #retry = this.#button("message-retry", "message.retry", (id) => emit(this, "reply-retry", { id }));
  #continue = this.#button("message-continue", "message.continue", (id) => emit(this, "reply-continue", { id }));
  #previous = create(
    "button",
    {
      type: "button",
      class: "branch-previous",
      label: "branch.previous",
      tooltip: "branch.previous",
      onclick: () => this.#select(this.#message?.branch.previous),
    },
    icon("left"),
  );
  #next = create(
    "button",
    {
      type: "button",
      class: "branch-next",
      label: "branch.next",
      tooltip: "branch.next",
      onclick: () => this.#select(this.#message?.branch.next),
    },
    icon("right"),
  );
  #place = create("span", { class: "branch-place numbers" });
  #branches = create("span", { class: "branches", role: "group" }, this.#previous, this.#place, this.#next);
  #timings = create("span", { class: "timings numbers" });

  constructor() {
    super();
    this.append(
      this.#branches,
      create("span", { class: "deeds" }, this.#copy, this.#edit, this.#retry, this.#continue),
      this.#timings,
    );
  }

  /** @param {Message} message @param {boolean} busy while a reply is being written only copying is possible */
  update(message, busy) {
    this.#message = message;
    const streaming = message.status === "streaming";
    const reply = message.role === "assistant";
    setShown(this, !streaming);
    setShown(this.#retry, reply);
    setShown(this.#continue, reply && continuable.has(message.status));
    for (const button of [this.#edit, this.#retry, this.#continue, this.#previous, this.#next]) button.disabled = busy;
    const { index, count, previous, next } = message.branch;
    setShown(this.#branches, count > 1);
    setText(this.#place, `${formatNumber(index)}/${formatNumber(count)}`);
    setAttribute(this.#branches, "aria-label", translate("branch.label", { index, count }));
    this.#previous.disabled ||= previous === null;
    this.#next.disabled ||= next === null;
    setShown(this.#timings, message.timings !== null);
    if (!message.timings) return;
    setText(this.#timings, timingsText(message.timings));
    setAttribute(this.#timings, "title", timingsTooltip(message.timings));
  }

  /** @param {string} className @param {string} key @param {(id: string) => void} run */
  #button(className, key, run) {
    return create("button", {
      type: "button",
      class: className,
      text: key,
      onclick: () => this.#message && run(this.#message.id),
    });
  }

  async #copyMessage() {
    if (!(await copyText(this.#message?.content ?? ""))) return;
    setText(this.#copy, translate("code.copied"));
    setTimeout(() => setText(this.#copy, translate("message.copy")), COPIED_SHOWN);
  }

  /** @param {string | null | undefined} id */
  #select(id) {
    if (id) emit(this, "branch-select", { id });
  }
}

customElements.define("message-actions", MessageActions);
