// @ts-check
/**
 * A pretended backend for development and tests in a browser.
 *
 * Query parameters choose how it starts: `state` = ready (default), first, none, loading, failed,
 * long, empty; `language`, `theme`; `speed` = milliseconds a token. A message with one of the words
 * crash, error, limit, slow, think or plain gets the reply that the word asks for.
 */
/** @import { Backend } from "./types.d.ts" */
import { characters } from "./fake/characters.js";
import { addMessage, branchTo, snapshot, summary } from "./fake/tree.js";
import { FakeModel, uiError } from "./fake/model.js";
import { startingConversations } from "./fake/conversations.js";
import { FakeWriter } from "./fake/writer.js";
import { defaultSampling } from "./fake/sampling.js";
/** @import { FakeConversation } from "./fake/tree.js" */

/** @param {URLSearchParams} query @returns {Backend} */
export function fakeBackend(query) {
  const scene = query.get("state") ?? "ready";
  /** @type {((events: import("./types.d.ts").BackendEvent[]) => void) | null} */
  let listener = null;
  /** @param {import("./types.d.ts").BackendEvent[]} events */
  const send = (...events) => listener?.(events);
  let language = /** @type {"en" | "ja" | "ru"} */ (query.get("language") ?? "en");
  /** @type {Map<string, FakeConversation>} */
  const conversations = new Map(startingConversations(scene).map((each) => [each.id, each]));
  /** @type {Map<string, FakeConversation>} */
  const deleted = new Map();
  const model = new FakeModel(scene, send);
  const writer = new FakeWriter(model, send, Number(query.get("speed") ?? 25));
  const cast = () => characters(language);

  /** @param {string} id */
  function find(id) {
    const conversation = conversations.get(id);
    if (!conversation) throw uiError("unexpected", "this conversation does not exist any more");
    return conversation;
  }
  /** @param {FakeConversation} conversation */
  function touch(conversation) {
    conversation.updatedAt = Date.now();
    send({ type: "conversationChanged", conversation: summary(conversation, cast()) });
  }
  /** @param {FakeConversation} conversation @param {string} parentId */
  function reply(conversation, parentId) {
    void writer.reply(conversation, parentId, cast().find((each) => each.id === conversation.characterId) ?? null);
  }

  return {
    async subscribe(next) {
      listener = next;
      model.begin();
    },
    async start() {
      return {
        version: "0.1.0",
        settings: {
          language: /** @type {any} */ (query.get("language") ?? "auto"),
          theme: /** @type {any} */ (query.get("theme") ?? "system"),
          sidebarOpen: true,
          inspectorOpen: true,
          cacheGigabytes: 4,
        },
        conversations: [...conversations.values()]
          .map((each) => summary(each, cast()))
          .sort((a, b) => b.updatedAt - a.updatedAt),
        characters: cast(),
        model: model.state,
        demoAvailable: true,
        notices:
          scene === "notice"
            ? [{ id: "settings", kind: "warning", error: uiError("settings_damaged", "the settings file was damaged") }]
            : [],
      };
    },

    async createConversation(characterId) {
      const conversation = {
        id: crypto.randomUUID(),
        title: "",
        characterId,
        updatedAt: Date.now(),
        messages: new Map(),
        chosen: new Map(),
        sampling: defaultSampling(characterId),
        firstInContext: null,
        context: null,
      };
      conversations.set(conversation.id, conversation);
      touch(conversation);
      return snapshot(conversation);
    },
    openConversation: async (id) => snapshot(find(id)),
    async searchConversations(text) {
      const wanted = text.toLowerCase();
      return [...conversations.values()]
        .filter(
          (each) =>
            each.title.toLowerCase().includes(wanted) ||
            [...each.messages.values()].some((message) => message.content.toLowerCase().includes(wanted)),
        )
        .map((each) => summary(each, cast()));
    },
    async renameConversation(id, title) {
      find(id).title = title;
      send({ type: "conversationChanged", conversation: summary(find(id), cast()) });
    },
    async deleteConversation(id) {
      deleted.set(id, find(id));
      conversations.delete(id);
      send({ type: "conversationRemoved", conversationId: id });
    },
    async restoreConversation(id) {
      const conversation = deleted.get(id);
      if (!conversation) throw uiError("unexpected", "this conversation cannot be brought back");
      conversations.set(id, conversation);
      send({ type: "conversationChanged", conversation: summary(conversation, cast()) });
    },

    async sendMessage(id, text) {
      const conversation = find(id);
      if (model.state.state === "none") throw uiError("no_model", "no model is loaded", "open a model first");
      if (text.length > 1_000_000) throw uiError("message_too_long", "the message is too long");
      if (text.length > 60_000)
        throw uiError("context_too_small", "the message is longer than the context", null, {
          promptTokens: Math.round(text.length / 4),
          contextSize: 8192,
        });
      const message = addMessage(conversation, { role: "user", content: text });
      if (conversation.title === "") conversation.title = text.slice(0, 40);
      send({ type: "messageAdded", conversationId: id, message });
      touch(conversation);
      reply(conversation, message.id);
    },
    stopReply: async () => writer.stop(),
    async retryReply(id, messageId) {
      const conversation = find(id);
      const parent = conversation.messages.get(messageId)?.parentId ?? "";
      conversation.chosen.delete(parent);
      reply(conversation, parent);
      return snapshot(conversation);
    },
    async editMessage(id, messageId, text) {
      const conversation = find(id);
      const old = conversation.messages.get(messageId);
      if (!old) throw uiError("unexpected", "this message does not exist any more");
      const message = addMessage(conversation, {
        role: old.role,
        content: text,
        parentId: old.parentId,
        author: old.author,
      });
      if (old.role === "user") reply(conversation, message.id);
      return snapshot(conversation);
    },
    async continueReply(id, messageId) {
      void writer.continue(find(id), messageId);
    },
    async selectBranch(id, messageId) {
      branchTo(find(id), messageId);
      return snapshot(find(id));
    },

    async setCharacter(id, characterId) {
      const conversation = find(id);
      conversation.characterId = characterId;
      conversation.sampling = defaultSampling(characterId, conversation.sampling);
      send({ type: "conversationChanged", conversation: summary(conversation, cast()) });
      return snapshot(conversation);
    },
    async setSampling(id, name, value) {
      const conversation = find(id);
      const reset = defaultSampling(conversation.characterId)[name];
      conversation.sampling = {
        ...conversation.sampling,
        [name]: value === undefined ? reset : { value, source: "conversation" },
      };
      writer.applySampling();
      return conversation.sampling;
    },

    pickModel: async () => model.card(),
    pickPart: async (kind) =>
      `/home/person/models/${kind === "adapter" ? "porch-poetry-lora" : "qwen2.5-0.5b-instruct-q8_0"}.gguf`,
    inspectModel: async () => model.card(),
    estimateLoad: async (_path, settings) => model.estimate(settings),
    loadModel: async (_path, settings) => void model.load(settings),
    loadDemo: async () => void model.load(model.card().settings),
    cancelLoad: async () => model.cancel(),
    unloadModel: async () => model.unload(),

    exportConversation: async (_id, format) =>
      `/home/person/Documents/conversation.${{ markdown: "md", text: "txt", json: "json" }[format]}`,
    importConversation: async () => null,
    async saveSettings(settings) {
      if (settings.language !== "auto") language = settings.language;
    },
    openLink: async (url) => void console.info("would open", url),
  };
}
