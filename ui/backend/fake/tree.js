// @ts-check
/** Messages as a tree of branches, in memory. */
/** @import { Character, ContextUse, Conversation, ConversationSummary, Message, Sampling } from "../types.d.ts" */
import { renderMarkdown } from "./markdown.js";

/**
 * @typedef {object} FakeConversation
 * @property {string} id
 * @property {string} title
 * @property {string | null} characterId
 * @property {number} updatedAt
 * @property {Map<string, Message>} messages
 * @property {Map<string, string>} chosen the chosen child of each message; of the root under ""
 * @property {Sampling} sampling
 * @property {string | null} firstInContext
 * @property {ContextUse | null} context
 */

/** @param {FakeConversation} conversation @param {string | null} parentId */
function children(conversation, parentId) {
  return [...conversation.messages.values()].filter((each) => each.parentId === parentId);
}

/** @param {FakeConversation} conversation @returns {Message[]} the chosen branch */
function path(conversation) {
  /** @type {Message[]} */
  const messages = [];
  for (let parent = /** @type {string | null} */ (null); ;) {
    const siblings = children(conversation, parent);
    const chosen = conversation.chosen.get(parent ?? "");
    const next = chosen === undefined ? null : siblings.find((each) => each.id === chosen);
    if (!next) return messages;
    messages.push(withBranch(conversation, next));
    parent = next.id;
  }
}

/** @param {FakeConversation} conversation @param {Message} message @returns {Message} */
export function withBranch(conversation, message) {
  const siblings = children(conversation, message.parentId);
  const index = siblings.findIndex((each) => each.id === message.id);
  const branch = {
    index: index + 1,
    count: siblings.length,
    previous: siblings[index - 1]?.id ?? null,
    next: siblings[index + 1]?.id ?? null,
  };
  return { ...message, branch };
}

/** @param {FakeConversation} conversation @returns {Conversation} */
export function snapshot(conversation) {
  const { id, title, characterId, sampling, firstInContext, context } = conversation;
  return { id, title, characterId, sampling, messages: path(conversation), firstInContext, context };
}

/** @param {FakeConversation} conversation @param {Character[]} cast @returns {ConversationSummary} */
export function summary({ id, title, updatedAt, characterId }, cast) {
  return { id, title, emoji: cast.find((each) => each.id === characterId)?.emoji ?? null, updatedAt };
}

/** Adds a message at the end of the branch, or under `parentId`, and chooses it. @param {FakeConversation} conversation @param {Partial<Message>} fields @returns {Message} */
export function addMessage(conversation, fields) {
  const content = fields.content ?? "";
  /** @type {Message} */
  const message = {
    id: crypto.randomUUID(),
    parentId: fields.parentId === undefined ? (path(conversation).at(-1)?.id ?? null) : fields.parentId,
    role: "user",
    author: null,
    content,
    html: renderMarkdown(content),
    reasoning: "",
    reasoningTime: null,
    status: "complete",
    error: null,
    createdAt: Date.now(),
    branch: { index: 1, count: 1, previous: null, next: null },
    timings: null,
    ...fields,
  };
  conversation.messages.set(message.id, message);
  conversation.chosen.set(message.parentId ?? "", message.id);
  return withBranch(conversation, message);
}

/** @param {FakeConversation} conversation @param {string} messageId */
export function branchTo(conversation, messageId) {
  const message = conversation.messages.get(messageId);
  if (message) conversation.chosen.set(message.parentId ?? "", messageId);
}
