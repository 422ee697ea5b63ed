// @ts-check
/** @import { AppContext, Handlers } from "./context.d.ts" */

/** @param {AppContext} context @returns {Handlers} */
export function modelCommands(context) {
  const { backend, store } = context;
  let picking = false;

  /** @param {string} path @param {import("../backend/types.d.ts").LoadSettings} settings */
  async function load(path, settings) {
    store.change((state) => {
      state.loadCard = null;
      state.unsent = state.unsent && { ...state.unsent, text: "" };
      state.loadSettings.set(path, settings);
      state.notices = state.notices.filter((notice) => notice.kind === "info" && notice.id !== "load-adjusted");
    });
    store.flush();
    context.focusComposer();
    await backend.loadModel(path, settings);
    store.change((state) => (state.unsent = null));
  }

  return {
    async "model-pick"() {
      if (picking) return;
      picking = true;
      try {
        const card = await backend.pickModel();
        if (card) store.change((state) => (state.loadCard = card));
      } finally {
        picking = false;
      }
    },

    async "model-part-pick"({ kind, take }) {
      if (picking) return;
      picking = true;
      try {
        const path = await backend.pickPart(kind);
        if (path) take(path);
      } finally {
        picking = false;
      }
    },

    async "model-configure"({ path }) {
      const card = await backend.inspectModel(path);
      const { model } = store.state;
      const loaded = model.state === "ready" && model.model.path === path ? model.model.settings : null;
      const settings = loaded ?? store.state.loadSettings.get(path) ?? card.settings;
      store.change((state) => (state.loadCard = { ...card, settings }));
    },

    async "model-estimate"({ path, settings }) {
      const answer = await backend.estimateLoad(path, settings).then(
        (estimate) => ({ settings, estimate, error: null }),
        // An engine that ended over it, or a question that was overtaken, tells nothing: a load may go another way.
        (error) => ({ settings, estimate: null, error: /^engine_|^load_cancelled$/u.test(error.code) ? null : error }),
      );
      store.change((state) => (state.loadAnswer = answer));
    },

    "model-load": ({ path, settings }) => load(path, settings),
    async "model-load-again"({ path }) {
      const settings = store.state.loadSettings.get(path) ?? (await backend.inspectModel(path)).settings;
      await load(path, settings);
    },
    "model-load-dismiss": () => store.change((state) => (state.loadCard = null)),
    "model-demo": () => backend.loadDemo(),
    "model-cancel": () => backend.cancelLoad(),
    "model-unload": () => backend.unloadModel(),
  };
}
