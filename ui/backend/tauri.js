// @ts-check
/** The backend behind Tauri's commands; the only file that knows Tauri. */
/** @import { Backend, BackendEvent, UiError } from "./types.d.ts" */

/**
 * The part of `window.__TAURI__` used here.
 * @typedef {object} Tauri
 * @property {{ invoke(command: string, args?: Record<string, unknown>): Promise<any>; Channel: new () => { onmessage: (events: BackendEvent[]) => void } }} core
 */

/** @returns {Backend} */
export function tauriBackend() {
  const { core } = /** @type {{ __TAURI__: Tauri }} */ (/** @type {unknown} */ (window)).__TAURI__;

  /** @param {string} command @param {Record<string, unknown>} [args] */
  async function invoke(command, args) {
    try {
      return await core.invoke(command, args);
    } catch (error) {
      throw toUiError(error, command);
    }
  }

  return {
    subscribe(listener) {
      const channel = new core.Channel();
      channel.onmessage = listener;
      return invoke("subscribe", { channel });
    },
    start: () => invoke("start"),

    createConversation: (characterId) => invoke("create_conversation", { characterId }),
    openConversation: (id) => invoke("open_conversation", { id }),
    searchConversations: (query) => invoke("search_conversations", { query }),
    renameConversation: (id, title) => invoke("rename_conversation", { id, title }),
    deleteConversation: (id) => invoke("delete_conversation", { id }),
    restoreConversation: (id) => invoke("restore_conversation", { id }),

    sendMessage: (id, text) => invoke("send_message", { id, text }),
    stopReply: (id) => invoke("stop_reply", { id }),
    retryReply: (id, messageId) => invoke("retry_reply", { id, messageId }),
    editMessage: (id, messageId, text) => invoke("edit_message", { id, messageId, text }),
    continueReply: (id, messageId) => invoke("continue_reply", { id, messageId }),
    selectBranch: (id, messageId) => invoke("select_branch", { id, messageId }),

    setCharacter: (id, characterId) => invoke("set_character", { id, characterId }),
    setSampling(id, name, value) {
      return invoke("set_sampling", { id, name, value: value ?? null, reset: value === undefined });
    },

    pickModel: () => invoke("pick_model"),
    pickPart: (kind) => invoke("pick_part", { kind }),
    inspectModel: (path) => invoke("inspect_model", { path }),
    estimateLoad: (path, settings) => invoke("estimate_load", { path, settings }),
    loadModel: (path, settings) => invoke("load_model", { path, settings }),
    loadDemo: () => invoke("load_demo"),
    cancelLoad: () => invoke("cancel_load"),
    unloadModel: () => invoke("unload_model"),

    exportConversation: (id, format) => invoke("export_conversation", { id, format }),
    importConversation: () => invoke("import_conversation"),

    saveSettings: (settings) => invoke("save_settings", { settings }),
    openLink: (url) => invoke("open_link", { url }),
  };
}

/** Tauri itself rejects with strings. @param {unknown} error @param {string} command @returns {UiError} */
function toUiError(error, command) {
  if (typeof error === "object" && error !== null && "code" in error) return /** @type {UiError} */ (error);
  const report = `${command}: ${error instanceof Error ? error.message : String(error)}`;
  return { code: "unexpected", message: report, hint: null, values: {}, report };
}
