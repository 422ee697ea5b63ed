// @ts-check
/** @import { AppState, Unsent } from "../../state/state.d.ts" */
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { modelPath } from "../../state/model.js";
import { NoticeView } from "../notice/notice.js";
import { composerNote } from "./composer-note.js";
import { fitHeight } from "./fit-height.js";
import { HELD_LENGTH, HeldText } from "./held-text.js";

const MAXIMUM_HEIGHT = 220;

/** Where the person writes. Keeps a draft for each conversation. */
export class MessageComposer extends HTMLElement {
  #input = watchComposition(
    create("textarea", { id: "composer-input", rows: 1, label: "composer.label", placeholder: "composer.placeholder" }),
  );
  #held = new HeldText(() => {
    this.#held.hold("");
    this.#changed();
    this.#input.focus();
  });
  #note = create("span", { class: "composer-note", role: "status" });
  #open = create("button", {
    type: "button",
    class: "composer-open",
    text: "notice.openModel",
    onclick: () => emit(this, "model-pick", null),
  });
  #send = create(
    "button",
    {
      type: "button",
      id: "send",
      class: "round",
      label: "composer.send",
      tooltip: "composer.send",
      onclick: () => this.#submit(true),
    },
    icon("send"),
  );
  #stop = create(
    "button",
    {
      type: "button",
      id: "stop",
      class: "round stop",
      label: "composer.stop",
      tooltip: "composer.stop",
      onclick: () => this.#stopReply(),
    },
    create("span", { class: "stop-square" }),
  );
  #error = new NoticeView();
  /** @type {Map<string | null, string>} */
  #drafts = new Map();
  /** @type {string | null} */
  #conversationId = null;
  /** @type {Unsent | null} */
  #unsent = null;
  #writing = false;
  #sending = false;

  constructor() {
    super();
    this.#error.dataset.testid = "composer-error";
    const box = create(
      "div",
      { class: "composer-box" },
      this.#held,
      this.#input,
      create("div", { class: "composer-row" }, this.#note, this.#open, this.#send, this.#stop),
    );
    this.append(this.#error, box);
    box.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Element && !event.target.closest("button, textarea")) {
        event.preventDefault();
        this.#input.focus();
      }
    });
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("paste", (event) => this.#paste(event));
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {AppState} state */
  update(state) {
    this.#switchTo(state.currentId);
    this.#takeBack(state.unsent);
    this.#writing = state.currentId !== null && state.running.has(state.currentId);
    this.#sending = state.sending;
    setShown(this.#send, !this.#writing);
    setShown(this.#stop, this.#writing);
    this.#updateSend();
    const unsent = state.unsent?.conversationId === state.currentId ? state.unsent : null;
    setShown(this.#error, unsent !== null);
    if (unsent)
      this.#error.showError(unsent.error, "error", {
        path: modelPath(state),
        onDismiss: () => emit(this, "unsent-dismiss", null),
      });
    setShown(this.#open, state.model.state === "none" && unsent === null);
    setText(this.#note, composerNote(state));
    this.#held.update();
  }

  focusInput() {
    this.#input.focus();
  }

  /** What is written, in the field and held beside it. */
  get #text() {
    return this.#held.text === ""
      ? this.#input.value
      : [this.#input.value, this.#held.text].filter((part) => part !== "").join("\n\n");
  }

  set #text(text) {
    const long = text.length >= HELD_LENGTH;
    this.#held.hold(long ? text : "");
    this.#input.value = long ? "" : text;
    this.#changed();
  }

  /** @param {string | null} conversationId */
  #switchTo(conversationId) {
    if (conversationId === this.#conversationId) return;
    const text = this.#text;
    if (this.#conversationId !== null) this.#drafts.set(this.#conversationId, text);
    // What was written before there was a conversation belongs to the first one.
    if (this.#conversationId !== null || text === "") this.#text = this.#drafts.get(conversationId) ?? "";
    this.#conversationId = conversationId;
  }

  /** Puts a text that could not be sent back in its place. @param {Unsent | null} unsent */
  #takeBack(unsent) {
    if (unsent === this.#unsent) return;
    this.#unsent = unsent;
    if (!unsent || unsent.text === "") return;
    if (unsent.conversationId !== this.#conversationId) this.#drafts.set(unsent.conversationId, unsent.text);
    else this.#text = this.#text === "" ? unsent.text : `${unsent.text}\n${this.#text}`;
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text.length < HELD_LENGTH) return;
    event.preventDefault();
    this.#held.hold([this.#held.text, text].filter((part) => part !== "").join("\n\n"));
    this.#changed();
  }

  #changed() {
    if (this.#input.textLength >= HELD_LENGTH) {
      const text = this.#text;
      this.#text = text;
      return;
    }
    fitHeight(this.#input, MAXIMUM_HEIGHT);
    this.#updateSend();
  }

  #updateSend() {
    this.#send.disabled = this.#sending || (this.#input.textLength === 0 && this.#held.text === "");
  }

  /** The button goes away with the reply; the focus must not go with it. */
  #stopReply() {
    emit(this, "reply-stop", null);
    this.#input.focus();
  }

  #submit(refocus = false) {
    const text = this.#text;
    if (this.#writing || this.#sending || text.trim() === "") return;
    this.#text = "";
    this.#drafts.delete(this.#conversationId);
    emit(this, "message-send", { text });
    if (refocus) this.#input.focus();
  }
}

customElements.define("message-composer", MessageComposer);
