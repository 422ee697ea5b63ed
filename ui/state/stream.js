// @ts-check
/** The text of replies while they are written. */
/** @import { AppState, ReplyStream } from "./state.d.ts" */
/** @import { BackendEvent, Message } from "../backend/types.d.ts" */

/** @param {AppState} state @param {string} messageId @returns {ReplyStream} */
export function streamOf(state, messageId) {
  let stream = state.streams.get(messageId);
  if (!stream) {
    stream = {
      settled: "",
      tail: "",
      reasoning: "",
      generatedTokens: 0,
      progress: null,
      thinkingFrom: null,
      thinkingTo: null,
      seed: "",
      revision: 0,
    };
    state.streams.set(messageId, stream);
  }
  return stream;
}

/**
 * Begins a reply. A continued one starts with text: it stays as `seed` until the first piece, which
 * then describes the whole reply from its start.
 * @param {AppState} state @param {string} conversationId @param {Message} message
 */
export function beginStream(state, conversationId, message) {
  state.streams.delete(message.id);
  state.finished.delete(message.id);
  state.running.set(conversationId, message.id);
  const stream = streamOf(state, message.id);
  stream.seed = message.html;
  stream.reasoning = message.reasoning;
}

/** @param {AppState} state @param {Extract<BackendEvent, { type: "replyText" }>} event @param {number} now */
export function appendText(state, event, now) {
  const stream = streamOf(state, event.messageId);
  stream.settled += event.settled;
  stream.tail = event.tail ?? stream.tail;
  stream.reasoning += event.reasoning;
  stream.generatedTokens = event.generatedTokens;
  stream.progress = null;
  if (stream.settled || stream.tail) stream.seed = "";
  if (event.reasoning) stream.thinkingFrom ??= now;
  if (stream.thinkingFrom !== null && (event.settled || event.tail)) stream.thinkingTo ??= now;
  stream.revision += 1;
}

/** @param {AppState} state @param {Extract<BackendEvent, { type: "promptProgress" }>} event */
export function showPromptProgress(state, event) {
  const stream = streamOf(state, event.messageId);
  stream.progress = { processed: event.processed, total: event.total };
  stream.revision += 1;
}

const FINISHED_KEPT = 32;

/** @param {AppState} state @param {string} conversationId @param {Message} message */
export function endStream(state, conversationId, message) {
  state.streams.delete(message.id);
  if (state.running.get(conversationId) === message.id) state.running.delete(conversationId);
  state.finished.set(message.id, message);
  const oldest = state.finished.keys().next().value;
  if (state.finished.size > FINISHED_KEPT && oldest !== undefined) state.finished.delete(oldest);
}
