// @ts-check
/** Writes replies piece by piece, one at a time. */
/** @import { BackendEvent, Character, Message } from "../types.d.ts" */
/** @import { FakeConversation } from "./tree.js" */
/** @import { FakeModel } from "./model.js" */
import { addMessage, withBranch } from "./tree.js";
import { renderMarkdown, renderPartial } from "./markdown.js";
import { crashed, uiError } from "./model.js";
import { replyTo } from "./replies.js";

/** @param {number} milliseconds */
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class FakeWriter {
  #stopped = false;
  /** @type {{ conversationId: string; messageId: string; tokens: number } | null} */
  #running = null;

  /** @param {FakeModel} model @param {(...events: BackendEvent[]) => void} send @param {number} pause */
  constructor(model, send, pause) {
    this.model = model;
    this.send = send;
    this.pause = pause;
  }

  /** @param {FakeConversation} conversation @param {string} parentId @param {Character | null} character */
  async reply(conversation, parentId, character) {
    await this.model.settled();
    const prompt = conversation.messages.get(parentId)?.content ?? "";
    const author = character && { name: character.name, emoji: character.emoji };
    const message = addMessage(conversation, { role: "assistant", parentId, author, status: "streaming" });
    await this.#write(conversation, message, prompt, 0);
  }

  /** @param {FakeConversation} conversation @param {string} messageId */
  async continue(conversation, messageId) {
    const message = conversation.messages.get(messageId);
    if (!message) return;
    const prompt = conversation.messages.get(message.parentId ?? "")?.content ?? "";
    const calm = prompt.replace(/crash|error|limit/gi, "");
    await this.#write(
      conversation,
      withBranch(conversation, { ...message, status: "streaming", error: null }),
      calm,
      message.content.length,
    );
  }

  stop() {
    this.#stopped = true;
  }

  applySampling() {
    const running = this.#running;
    if (running)
      setTimeout(() => this.send({ type: "samplingApplied", ...running, fromToken: running.tokens + 1 }), 600);
  }

  /** @param {FakeConversation} conversation @param {Message} message @param {string} prompt @param {number} from */
  async #write(conversation, message, prompt, from) {
    const reply = replyTo(prompt);
    const conversationId = conversation.id;
    const messageId = message.id;
    const began = Date.now();
    conversation.messages.set(messageId, message);
    this.#stopped = false;
    this.#running = { conversationId, messageId, tokens: 0 };
    this.send({ type: "messageAdded", conversationId, message });
    for (let processed = 0; processed < (reply.slow ? 3400 : 400) && !this.#stopped; processed += 200) {
      this.send({ type: "promptProgress", conversationId, messageId, processed, total: reply.slow ? 3400 : 400 });
      await wait(this.pause * (reply.slow ? 8 : 2));
    }
    const thinking = from === 0 ? reply.thinking : "";
    for (const word of thinking.match(/\S+\s*/g) ?? []) {
      if (this.#stopped) break;
      this.send({
        type: "replyText",
        conversationId,
        messageId,
        settled: "",
        tail: "",
        reasoning: word,
        generatedTokens: ++this.#running.tokens,
      });
      await wait(this.pause);
    }
    const thought = Date.now() - began;
    const content = await this.#writeText(conversation, message, reply.text, from, reply.end);
    const status = this.#stopped
      ? "stopped"
      : reply.end === "length"
        ? "length"
        : reply.end === "complete"
          ? "complete"
          : "failed";
    const error =
      status !== "failed"
        ? null
        : reply.end === "crash"
          ? crashed
          : uiError("template_refused", "the chat template refused the conversation: roles must alternate");
    const tokens = this.#running.tokens;
    /** @type {Message} */
    const finished = {
      ...withBranch(conversation, message),
      content,
      html: renderMarkdown(content),
      reasoning: message.reasoning || thinking,
      reasoningTime: thinking ? thought : message.reasoningTime,
      status,
      error,
      timings: {
        promptTokens: 3341,
        reusedTokens: 3150,
        processedTokens: 191,
        generatedTokens: tokens,
        tokensPerSecond: 42.13,
        timeToFirstToken: 210,
        total: Date.now() - began,
      },
    };
    conversation.messages.set(messageId, finished);
    conversation.context = { used: Math.min(8192, (conversation.context?.used ?? 400) + tokens), size: 8192 };
    this.#running = null;
    this.send({ type: "replyFinished", conversationId, message: finished, context: conversation.context });
    if (reply.end === "crash" && status === "failed") this.model.fail();
  }

  /** @param {FakeConversation} conversation @param {Message} message @param {string} text @param {number} from @param {string} end @returns {Promise<string>} */
  async #writeText(conversation, message, text, from, end) {
    const limit = end === "complete" ? text.length : Math.min(text.length, 120);
    let settledCount = 0;
    let at = from;
    while (at < limit && !this.#stopped && this.#running) {
      at = Math.min(limit, at + 4);
      const { settled, tail } = renderPartial(text.slice(0, at));
      const generatedTokens = ++this.#running.tokens;
      this.send({
        type: "replyText",
        conversationId: conversation.id,
        messageId: message.id,
        settled: settled.slice(settledCount).join(""),
        tail,
        reasoning: "",
        generatedTokens,
      });
      settledCount = settled.length;
      await wait(this.pause);
    }
    return text.slice(0, at);
  }
}
