// @ts-check
/** @import { AppContext, Handlers } from "./context.d.ts" */
import { adoptConversation } from "../state/conversations.js";
import { ensureConversation } from "./conversation-commands.js";

/** How long "applied" stays to be read. */
const APPLIED_SHOWN = 4000;

/** Takes the marks of applied settings away after a while. @param {AppContext} context */
export function forgetAppliedMarks({ store }) {
  const marks = store.state.samplingMarks;
  setTimeout(() => {
    if (store.state.samplingMarks === marks) store.change((state) => (state.samplingMarks = {}));
  }, APPLIED_SHOWN);
}

/** @param {AppContext} context @returns {Handlers} */
export function samplingCommands(context) {
  const { backend, store } = context;
  let changes = 0;

  return {
    async "character-pick"({ id: characterId }) {
      const { conversation } = store.state;
      store.change((state) => (state.characterId = characterId));
      if (!conversation) return;
      const changed = await backend.setCharacter(conversation.id, characterId);
      store.change((state) => adoptConversation(state, changed));
    },

    async "sampling-change"({ name, value }) {
      const { id } = await ensureConversation(context);
      const change = (changes += 1);
      store.change((state) => {
        if (state.conversation?.id !== id) return;
        const current = state.conversation.sampling;
        if (value !== undefined)
          state.conversation = {
            ...state.conversation,
            sampling: { ...current, [name]: { value, source: "conversation" } },
          };
        if (state.running.has(id))
          state.samplingMarks = { ...state.samplingMarks, [name]: { kind: "pending", fromToken: 0 } };
      });
      const sampling = await backend.setSampling(id, name, value);
      // An answer to an older change would move the slider back under the finger.
      if (change !== changes) return;
      store.change((state) => {
        if (state.conversation?.id === id) state.conversation = { ...state.conversation, sampling };
      });
    },
  };
}
