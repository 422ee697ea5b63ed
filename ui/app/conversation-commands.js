// @ts-check
/** @import { AppContext, Handlers } from "./context.d.ts" */
/** @import { Conversation } from "../backend/types.d.ts" */
import { translate } from "../locales/translate.js";
import { adoptConversation, closeConversation, placeSummary, removeSummary } from "../state/conversations.js";

/** The conversation that is open, or a new one. @param {AppContext} context @returns {Promise<Conversation>} */
export async function ensureConversation({ backend, store }) {
  if (store.state.conversation) return store.state.conversation;
  const conversation = await backend.createConversation(store.state.characterId);
  store.change((state) => {
    state.currentId = conversation.id;
    adoptConversation(state, conversation);
    if (!state.conversations.some((each) => each.id === conversation.id)) {
      const emoji = state.characters.find((each) => each.id === conversation.characterId)?.emoji ?? null;
      placeSummary(state, { id: conversation.id, title: conversation.title, emoji, updatedAt: Date.now() });
    }
  });
  return conversation;
}

/** @param {AppContext} context @param {string} id */
export async function openConversation(context, id) {
  const { backend, store } = context;
  store.change((state) => {
    if (state.currentId !== id) closeConversation(state);
    state.currentId = id;
    state.announcement = null;
    state.drawer = null;
  });
  try {
    const conversation = await backend.openConversation(id);
    store.change((state) => adoptConversation(state, conversation));
  } catch (error) {
    store.change((state) => {
      if (state.currentId === id) closeConversation(state);
    });
    context.report(error);
  }
}

/** @param {AppContext} context @returns {Handlers} */
export function conversationCommands(context) {
  const { backend, store } = context;
  let searches = 0;

  return {
    async "conversation-new"() {
      const { conversation } = store.state;
      store.change((state) => (state.drawer = null));
      if (conversation?.messages.length !== 0) {
        store.change(closeConversation);
        await ensureConversation(context);
      }
      store.flush();
      context.focusComposer();
    },

    async "conversation-open"({ id }) {
      await openConversation(context, id);
      store.flush();
      context.focusComposer();
    },

    async "conversation-rename"({ id, title }) {
      const summary = store.state.conversations.find((each) => each.id === id);
      if (summary) store.change((state) => placeSummary(state, { ...summary, title }));
      try {
        await backend.renameConversation(id, title);
      } catch (error) {
        if (summary) store.change((state) => placeSummary(state, summary));
        throw error;
      }
    },

    async "conversation-delete"({ id }) {
      const { conversations, currentId } = store.state;
      const at = conversations.findIndex((each) => each.id === id);
      const neighbour = conversations[at + 1] ?? conversations[at - 1];
      const title = conversations[at]?.title || translate("list.untitled");
      await backend.deleteConversation(id);
      store.change((state) => removeSummary(state, id));
      if (currentId === id && neighbour) void openConversation(context, neighbour.id);
      context.focusComposer();
      const restore = async () => {
        await backend.restoreConversation(id);
        const known = conversations[at];
        store.change((state) => {
          if (known && !state.conversations.some((each) => each.id === id)) placeSummary(state, known);
        });
        if (currentId === id) await openConversation(context, id);
      };
      context.toast(translate("list.deleted", { title }), {
        label: translate("list.undo"),
        run: () => void restore().catch(context.report),
      });
    },

    async "conversation-search"({ query }) {
      const search = (searches += 1);
      store.change((state) => {
        state.searchQuery = query;
        if (query === "") state.searchResults = null;
      });
      if (query === "") return;
      const results = await backend.searchConversations(query);
      if (search === searches) store.change((state) => (state.searchResults = results));
    },

    async "conversation-export"({ format }) {
      const id = store.state.currentId;
      store.change((state) => (state.dialog = null));
      if (id === null) return;
      const path = await backend.exportConversation(id, format);
      if (path !== null) context.toast(translate("export.done", { path }));
    },

    async "conversation-import"() {
      const conversation = await backend.importConversation();
      if (!conversation) return;
      store.change((state) => {
        closeConversation(state);
        state.currentId = conversation.id;
        adoptConversation(state, conversation);
      });
      context.toast(translate("import.done", { title: conversation.title }));
    },
  };
}
