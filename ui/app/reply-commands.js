// @ts-check
/** @import { AppContext, Handlers } from "./context.d.ts" */
/** @import { UiError } from "../backend/types.d.ts" */
import { adoptConversation } from "../state/conversations.js";
import { ensureConversation } from "./conversation-commands.js";
import { localError } from "./error-text.js";

/** @param {AppContext} context @returns {Handlers} */
export function replyCommands(context) {
  const { backend, store } = context;

  /** Shows the conversation that a call returns. @param {Promise<import("../backend/types.d.ts").Conversation>} call */
  async function show(call) {
    const conversation = await call;
    store.change((state) => adoptConversation(state, conversation));
  }

  /** @param {(id: string) => Promise<void>} run */
  async function withCurrent(run) {
    const id = store.state.currentId;
    if (id !== null) await run(id);
  }

  return {
    async "message-send"({ text }) {
      const { currentId, model } = store.state;
      store.change((state) => {
        state.sending = true;
        state.unsent = null;
      });
      try {
        // Without this a first message without a model would leave an empty conversation behind.
        if (currentId === null && model.state === "none") throw localError("no_model", "no model is open");
        const { id } = await ensureConversation(context);
        await backend.sendMessage(id, text);
      } catch (error) {
        const conversationId = store.state.currentId ?? currentId;
        store.change((state) => (state.unsent = { conversationId, text, error: /** @type {UiError} */ (error) }));
      } finally {
        store.change((state) => (state.sending = false));
      }
    },

    "unsent-dismiss": () => store.change((state) => (state.unsent = null)),

    "message-edit": ({ id }) => store.change((state) => (state.editing = id)),
    "message-edit-end"() {
      store.change((state) => (state.editing = null));
      context.focusComposer();
    },
    async "message-save"({ id: messageId, text }) {
      const original = store.state.conversation?.messages.find((each) => each.id === messageId);
      if (text.trim() === "") return;
      if (original && original.role === "assistant" && original.content === text) {
        store.change((state) => (state.editing = null));
        return;
      }
      await withCurrent(async (id) => {
        await show(backend.editMessage(id, messageId, text));
        store.change((state) => (state.editing = null));
        context.focusComposer();
      });
    },

    "reply-stop": () => withCurrent((id) => backend.stopReply(id)),
    "reply-retry": ({ id: messageId }) => withCurrent((id) => show(backend.retryReply(id, messageId))),
    "reply-continue": ({ id: messageId }) => withCurrent((id) => backend.continueReply(id, messageId)),
    "branch-select": ({ id: messageId }) => withCurrent((id) => show(backend.selectBranch(id, messageId))),
  };
}
