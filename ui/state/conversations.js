// @ts-check
/** Changes to the list of conversations and to the one that is open. */
/** @import { AppState } from "./state.d.ts" */
/** @import { Conversation, ConversationSummary, Message } from "../backend/types.d.ts" */
import { streamOf } from "./stream.js";

/** Puts a summary into the list, newest first. @param {AppState} state @param {ConversationSummary} summary */
export function placeSummary(state, summary) {
  const others = state.conversations.filter((each) => each.id !== summary.id);
  state.conversations = [...others, summary].sort((a, b) => b.updatedAt - a.updatedAt);
  if (state.searchResults) {
    state.searchResults = state.searchResults.map((each) => (each.id === summary.id ? summary : each));
  }
  if (state.conversation?.id === summary.id && state.conversation.title !== summary.title) {
    state.conversation = { ...state.conversation, title: summary.title };
  }
}

/** @param {AppState} state @param {string} id */
export function removeSummary(state, id) {
  state.conversations = state.conversations.filter((each) => each.id !== id);
  state.searchResults = state.searchResults?.filter((each) => each.id !== id) ?? null;
  if (state.currentId === id) closeConversation(state);
}

/** @param {AppState} state */
export function closeConversation(state) {
  state.currentId = null;
  state.conversation = null;
  state.editing = null;
  state.samplingMarks = {};
}

/** Shows a snapshot from the backend, unless the person has moved on to another conversation. @param {AppState} state @param {Conversation} conversation */
export function adoptConversation(state, conversation) {
  if (state.currentId !== conversation.id) return;
  const messages = conversation.messages.map((message) => reconcile(state, conversation.id, message));
  const running = runningReply(state, conversation.id);
  const behind = running !== null && messages.at(-1)?.id === running.parentId;
  state.conversation = { ...conversation, messages: behind ? [...messages, running] : messages };
  state.characterId = conversation.characterId;
}

/** The shown reply that is being written; a snapshot may have been taken before it began. @param {AppState} state @param {string} conversationId */
function runningReply(state, conversationId) {
  if (state.conversation?.id !== conversationId) return null;
  const last = state.conversation.messages.at(-1);
  return last && state.running.get(conversationId) === last.id ? last : null;
}

/** A snapshot may be older than an event that has arrived. @param {AppState} state @param {string} conversationId @param {Message} message */
function reconcile(state, conversationId, message) {
  if (message.status !== "streaming") return message;
  const finished = state.finished.get(message.id);
  if (finished) return { ...finished, branch: message.branch };
  const known = state.streams.get(message.id);
  if (!known) {
    const stream = streamOf(state, message.id);
    stream.settled = message.html;
    stream.reasoning = message.reasoning;
  }
  state.running.set(conversationId, message.id);
  return message;
}

/** Puts a message where it belongs on the shown branch. @param {Message[]} messages @param {Message} message */
export function placeMessage(messages, message) {
  const known = messages.findIndex((each) => each.id === message.id);
  if (known >= 0) return messages.with(known, message);
  if (message.parentId === null) return [message];
  const parent = messages.findIndex((each) => each.id === message.parentId);
  return parent < 0 ? [...messages, message] : [...messages.slice(0, parent + 1), message];
}
