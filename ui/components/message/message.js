// @ts-check
/** @import { Message } from "../../backend/types.d.ts" */
/** @import { ReplyStream } from "../../state/state.d.ts" */
import { create, setAttribute, setShown, setText } from "../../dom/create.js";
import { icon } from "../../icons/icons.js";
import { formatDateTime, formatTime } from "../../locales/format.js";
import { currentLanguage, translate } from "../../locales/translate.js";
import { MessageMarkup } from "../markup/markup.js";
import { NoticeView } from "../notice/notice.js";
import { MessageActions } from "./message-actions.js";
import { MessageEditor } from "./message-editor.js";
import { MessageThinking } from "./thinking.js";

/** @typedef {{ stream: ReplyStream | null; faded: boolean; busy: boolean; editing: boolean }} Circumstances */

/** One message of the conversation. An `article`, so it is made by `createMessage`, not a custom element. */
export class MessageView {
  #face = create("div", { class: "face", "aria-hidden": "true" });
  #name = create("b");
  #time = create("time", { class: "small numbers" });
  #thinking = new MessageThinking();
  #progress = create("p", { class: "small numbers prompt-progress", role: "status" });
  #markup = new MessageMarkup();
  #error = new NoticeView();
  #body = create("div", { class: "text" }, this.#thinking, this.#progress, this.#markup, this.#error);
  #actions = new MessageActions();
  element = create(
    "article",
    { class: "message" },
    this.#face,
    create("div", { class: "who" }, this.#name, this.#time),
    this.#body,
    this.#actions,
  );
  /** @type {MessageEditor | null} */
  #editor = null;
  /** @type {unknown[]} */
  #drawn = [];
  #html = "";
  #streamed = false;

  /** @param {Message} message @param {Circumstances} now */
  update(message, now) {
    const wanted = [message, now.stream?.revision, now.faded, now.busy, now.editing, currentLanguage()];
    if (wanted.every((value, index) => value === this.#drawn[index]) && this.#drawn.length > 0) return;
    const headChanged = message !== this.#drawn[0] || wanted[5] !== this.#drawn[5];
    this.#drawn = wanted;
    if (headChanged) this.#updateHead(message);
    this.element.classList.toggle("faded", now.faded);
    this.#updateEditor(message, now.editing);
    if (message.status === "streaming" && now.stream) this.#updateStream(message, now.stream);
    else this.#updateWhole(message);
    this.#actions.update(message, now.busy);
  }

  /** @param {Message} message */
  #updateHead(message) {
    const own = message.role === "user";
    const { element } = this;
    element.dataset.id = message.id;
    element.dataset.role = message.role;
    element.dataset.status = message.status;
    element.classList.toggle("mine", own);
    const name = message.author?.name ?? translate(own ? "message.you" : "message.assistant");
    setText(this.#name, name);
    setAttribute(element, "aria-label", name);
    setAttribute(element, "aria-busy", message.status === "streaming" ? "true" : null);
    setText(this.#time, formatTime(message.createdAt));
    this.#time.dateTime = new Date(message.createdAt).toISOString();
    this.#time.title = formatDateTime(message.createdAt);
    this.#face.classList.toggle("person", own);
    if (message.author) setText(this.#face, message.author.emoji);
    else this.#face.replaceChildren(icon(own ? "person" : "porch"));
    setAttribute(this.#markup, "lang", languageOf(message.content));
  }

  /** @param {Message} message @param {ReplyStream} stream */
  #updateStream(message, stream) {
    this.#streamed = true;
    const written = stream.settled !== "" || stream.tail !== "";
    const time =
      stream.thinkingFrom !== null && stream.thinkingTo !== null
        ? stream.thinkingTo - stream.thinkingFrom
        : message.reasoningTime;
    this.#thinking.update(stream.reasoning, stream.reasoning !== "" && !written && stream.seed === "", time);
    const progress = written ? null : stream.progress;
    setShown(this.#progress, progress !== null);
    if (progress) setText(this.#progress, translate("message.reading", progress));
    if (stream.seed !== "") this.#showHtml(stream.seed);
    else this.#markup.stream(stream.settled, stream.tail);
    if (stream.revision % 20 === 1 && written)
      setAttribute(this.#markup, "lang", languageOf(this.#markup.textContent ?? ""));
    setShown(this.#error, false);
  }

  /** @param {Message} message */
  #updateWhole(message) {
    this.#thinking.update(message.reasoning, false, message.reasoningTime);
    setShown(this.#progress, false);
    if (this.#streamed) this.#html = "";
    this.#streamed = false;
    this.#showHtml(message.html);
    const note =
      message.status === "stopped" || message.status === "length" || message.status === "interrupted"
        ? message.status
        : null;
    setShown(this.#error, message.error !== null || note !== null);
    if (message.error)
      this.#error.showError(message.error, message.status === "failed" ? "error" : "info", { inside: true });
    else if (note) this.#error.showLine(translate(`message.status.${note}`));
  }

  /** @param {string} html */
  #showHtml(html) {
    if (this.#html === html) return;
    this.#markup.show(html);
    this.#html = html;
  }

  /** @param {Message} message @param {boolean} editing */
  #updateEditor(message, editing) {
    if (editing === (this.#editor !== null)) return;
    this.#editor?.remove();
    this.#editor = editing ? new MessageEditor(message.id, message.content, message.role === "user") : null;
    setShown(this.#body, !editing);
    this.element.classList.toggle("editing", editing);
    if (this.#editor) this.#body.after(this.#editor);
  }
}

/** The language whose letters a text uses, so that the font and the line breaks suit it. @param {string} text @returns {string | null} */
function languageOf(text) {
  const start = text.slice(0, 2000);
  if (/[\u3040-\u30ff]/.test(start)) return "ja";
  if (/[\uac00-\ud7af]/.test(start)) return "ko";
  if (/[\u0400-\u04ff]/.test(start)) return "ru";
  return /[\u4e00-\u9fff]/.test(start) ? null : "en";
}
