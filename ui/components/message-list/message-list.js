// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
/** @import { Conversation, Message } from "../../backend/types.d.ts" */
import { create, setChildren, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { MessageView } from "../message/message.js";
import { StickToEnd } from "./stick-to-end.js";

/** Messages in the page at first; older ones come when they are asked for. */
const SHOWN = 120;

/** The conversation. */
export class MessageList extends HTMLElement {
  #content = create("div", { class: "log-content" });
  #log = create("div", { class: "log", id: "log", role: "log", "aria-live": "off", tabindex: "-1" }, this.#content);
  #announcer = create("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  #earlier = create("button", { type: "button", class: "plain show-earlier", onclick: () => this.#showEarlier() });
  #cut = create("div", { class: "cut", role: "note" });
  #toEnd = create(
    "button",
    { type: "button", id: "to-end", class: "to-end", onclick: () => this.#stick.toEnd(), hidden: true },
    icon("toEnd"),
    create("span", { text: "message.toEnd" }),
  );
  /** @type {Map<string, MessageView>} */
  #views = new Map();
  /** @type {string | null} */
  #conversationId = null;
  #limit = SHOWN;
  /** @type {Message | null} */
  #announced = null;
  /** @type {Message | undefined} */
  #last;
  #stick = new StickToEnd(this.#log, this.#content, () => setShown(this.#toEnd, !this.#stick.atEnd));
  /** @type {AppState | null} */
  #state = null;

  constructor() {
    super();
    this.append(this.#log, this.#toEnd, this.#announcer);
    this.#log.addEventListener("click", (event) => askLink(event));
    this.#log.addEventListener("keydown", (event) => {
      if (event.key === "Enter") askLink(event);
    });
  }

  /** @param {AppState} state */
  update(state) {
    this.#state = state;
    const { conversation } = state;
    this.#log.setAttribute("aria-label", translate("message.log"));
    if (!conversation) return;
    const switched = conversation.id !== this.#conversationId;
    if (switched) {
      this.#conversationId = conversation.id;
      this.#limit = SHOWN;
      this.#views.clear();
      this.#last = undefined;
    }
    const last = conversation.messages.at(-1);
    const begun = last?.id !== this.#last?.id && (last?.role === "user" || last?.status === "streaming");
    this.#last = last;
    this.#stick.paused = state.editing !== null;
    this.#draw(state, conversation);
    if (switched || begun) this.#stick.toEnd();
    this.#announce(state.announcement);
  }

  /** @param {AppState} state @param {Conversation} conversation */
  #draw(state, conversation) {
    const { messages, firstInContext } = conversation;
    const busy = state.running.has(conversation.id);
    const cutAt =
      firstInContext === null
        ? 0
        : Math.max(
            0,
            messages.findIndex((each) => each.id === firstInContext),
          );
    const from = Math.max(0, messages.length - this.#limit);
    /** @type {Node[]} */
    const children = [];
    if (from > 0) {
      setText(this.#earlier, translate("message.earlier", { count: from }));
      children.push(this.#earlier);
    }
    /** @type {Map<string, MessageView>} */
    const views = new Map();
    messages.forEach((message, index) => {
      if (index < from) return;
      if (cutAt > 0 && index === cutAt) {
        setText(this.#cut, translate("message.cut", { count: cutAt }));
        children.push(this.#cut);
      }
      const view = this.#views.get(message.id) ?? new MessageView();
      const stream = message.status === "streaming" ? (state.streams.get(message.id) ?? null) : null;
      view.update(message, { stream, faded: index < cutAt, busy, editing: state.editing === message.id });
      views.set(message.id, view);
      children.push(view.element);
    });
    this.#views = views;
    setChildren(this.#content, children);
  }

  /** Draws older messages above and keeps what was read in its place. */
  #showEarlier() {
    if (!this.#state?.conversation) return;
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    this.#limit += SHOWN;
    this.#draw(this.#state, this.#state.conversation);
    this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
  }

  /** Says a finished reply once, not token by token. @param {Message | null} message */
  #announce(message) {
    if (message === this.#announced) return;
    this.#announced = message;
    if (message)
      setText(this.#announcer, `${message.author?.name ?? translate("message.assistant")}: ${message.content}`);
  }
}

/** Links are inert; a click asks first. @param {Event} event */
function askLink(event) {
  const link = event.target instanceof Element ? event.target.closest("a[data-href]") : null;
  const url = link?.getAttribute("data-href");
  if (!link || !url) return;
  event.preventDefault();
  emit(link, "link-ask", { url });
}

customElements.define("message-list", MessageList);
