// @ts-check
/** The conversations a scene starts with. */
/** @import { FakeConversation } from "./tree.js" */
/** @import { Message } from "../types.d.ts" */
import { addMessage } from "./tree.js";
import { replyTo } from "./replies.js";
import { defaultSampling } from "./sampling.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** @param {string} title @param {string | null} characterId @param {number} age @returns {FakeConversation} */
function conversation(title, characterId, age) {
  return {
    id: crypto.randomUUID(),
    title,
    characterId,
    updatedAt: Date.now() - age,
    messages: new Map(),
    chosen: new Map(),
    sampling: defaultSampling(characterId),
    firstInContext: null,
    context: null,
  };
}

const timings = {
  promptTokens: 3341,
  reusedTokens: 3150,
  processedTokens: 191,
  generatedTokens: 187,
  tokensPerSecond: 42.13,
  timeToFirstToken: 210,
  total: 4650,
};

/** @param {FakeConversation} into @param {string} question @param {Partial<Message>} [fields] */
function exchange(into, question, fields = {}) {
  const asked = addMessage(into, { content: question, parentId: [...into.messages.keys()].at(-1) ?? null });
  const { text, thinking } = replyTo(question);
  return addMessage(into, {
    role: "assistant",
    parentId: asked.id,
    author: { name: "ツンデレ", emoji: "🎭" },
    content: text,
    reasoning: thinking,
    reasoningTime: 2100,
    timings,
    ...fields,
  });
}

/** @param {string} scene @returns {FakeConversation[]} */
export function startingConversations(scene) {
  if (scene === "first") return [];
  const csv = conversation("Rust で CSV を読む", "tsundere", 0);
  if (scene !== "empty") {
    const early = exchange(csv, "CSV って、引用符の中のカンマはどう扱うの？");
    exchange(csv, "Rust で大きな CSV を一行ずつ読む一番簡単な方法を教えて。");
    const last = addMessage(csv, { content: "How do I handle errors in English?" });
    for (const status of /** @type {const} */ (["complete", "complete", "stopped"])) {
      addMessage(csv, {
        role: "assistant",
        parentId: last.id,
        author: { name: "ツンデレ", emoji: "🎭" },
        content: replyTo("plain").text,
        status,
        timings,
      });
    }
    csv.firstInContext = early.id;
    csv.context = { used: 3341, size: 8192 };
  }
  if (scene === "long")
    for (let index = 0; index < 400; index += 1) exchange(csv, `${index % 3 ? "plain" : "質問"} ${index + 1}`);
  return [
    csv,
    conversation("週末の京都旅行プラン", "friend", HOUR / 2),
    conversation("Segfault in the FFT example", "engineer", HOUR),
    conversation("縁側についての短い詩", "artist", DAY),
    conversation("お客様への返信メールの下書き", "polite", DAY + HOUR),
    conversation("Расскажи о квантовых компьютерах простыми словами", "cool", 4 * DAY),
    conversation("量子コンピュータの勉強ノート", "teacher", 20 * DAY),
    conversation("Notes without a character", null, 50 * DAY),
  ];
}
