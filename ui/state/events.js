// @ts-check
/** What each event of the backend changes. */
/** @import { AppState } from "./state.d.ts" */
/** @import { BackendEvent, Message } from "../backend/types.d.ts" */
import { placeMessage, placeSummary, removeSummary } from "./conversations.js";
import { appendText, beginStream, endStream, showPromptProgress } from "./stream.js";

/** @template {BackendEvent["type"]} Type @typedef {Extract<BackendEvent, { type: Type }>} EventOf */

/** @param {AppState} state @param {BackendEvent[]} events @param {number} [now] */
export function applyEvents(state, events, now = Date.now()) {
  for (const event of events) applyEvent(state, event, now);
}

/** @param {AppState} state @param {BackendEvent} event @param {number} now */
function applyEvent(state, event, now) {
  switch (event.type) {
    case "conversationChanged":
      return placeSummary(state, event.conversation);
    case "conversationRemoved":
      return removeSummary(state, event.conversationId);
    case "messageAdded":
      return addMessage(state, event);
    case "promptProgress":
      return showPromptProgress(state, event);
    case "replyText":
      return appendText(state, event, now);
    case "replyFinished":
      return finishReply(state, event);
    case "samplingApplied":
      return applySampling(state, event);
    case "contextTrimmed":
      return trimContext(state, event);
    case "modelState":
      state.model = event.model;
      return;
    case "notice":
      return addNotice(state, event.notice);
  }
}

/**
 * Of what a call that failed tells as well, the latest is enough.
 * @param {AppState} state
 * @param {EventOf<"notice">["notice"]} notice
 */
export function addNotice(state, notice) {
  const others = state.notices.filter((each) => each.id !== notice.id && each.error.code !== notice.error.code);
  state.notices = [...others, notice];
}

/** @param {AppState} state @param {EventOf<"messageAdded">} event */
function addMessage(state, { conversationId, message }) {
  if (message.status === "streaming") beginStream(state, conversationId, message);
  changeMessages(state, conversationId, (messages) => placeMessage(messages, message));
}

/** @param {AppState} state @param {EventOf<"replyFinished">} event */
function finishReply(state, { conversationId, message, context }) {
  endStream(state, conversationId, message);
  if (state.conversation?.id !== conversationId) return;
  changeMessages(state, conversationId, (messages) => {
    return messages.map((each) => (each.id === message.id ? message : each));
  });
  if (context) state.conversation = { ...state.conversation, context };
  state.samplingMarks = {};
  state.announcement = message;
}

/** @param {AppState} state @param {EventOf<"samplingApplied">} event */
function applySampling(state, event) {
  if (state.conversation?.id !== event.conversationId) return;
  /** @type {AppState["samplingMarks"]} */
  const marks = {};
  for (const name of /** @type {(keyof AppState["samplingMarks"])[]} */ (Object.keys(state.samplingMarks))) {
    marks[name] = { kind: "applied", fromToken: event.fromToken };
  }
  state.samplingMarks = marks;
}

/** @param {AppState} state @param {EventOf<"contextTrimmed">} event */
function trimContext(state, { conversationId, firstInContext }) {
  if (state.conversation?.id === conversationId) state.conversation = { ...state.conversation, firstInContext };
}

/** @param {AppState} state @param {string} conversationId @param {(messages: Message[]) => Message[]} change */
function changeMessages(state, conversationId, change) {
  if (state.conversation?.id !== conversationId) return;
  state.conversation = { ...state.conversation, messages: change(state.conversation.messages) };
}
