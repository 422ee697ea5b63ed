// @ts-check
/** How an error reads: what happened, then what is safe and what to do. */
/** @import { UiError } from "../backend/types.d.ts" */
/** @import { Commands } from "./commands.d.ts" */
import { hasText, lacksValues, translate } from "../locales/translate.js";

/** Codes whose English message tells more than the translated text can. */
const detailed = new Set([
  "load_failed",
  "adapter_failed",
  "draft_model_failed",
  "projector_failed",
  "store_failed",
  "export_failed",
  "import_failed",
  "template_refused",
  "character_damaged",
  "unexpected",
  "disk_full",
]);

/** @param {UiError} error @returns {{ title: string; body: string; detail: string }} */
export function errorText(error) {
  const key = `error.${error.code}`;
  const values = error.values ?? {};
  const body = `${key}.body`;
  if (!hasText(key) || lacksValues(key, values)) {
    return { title: sentence(error.message), body: sentence(error.hint ?? ""), detail: "" };
  }
  const useHint = !hasText(body) || lacksValues(body, values);
  return {
    title: translate(key, values),
    body: useHint ? sentence(error.hint ?? "") : translate(body, values),
    detail: detailed.has(error.code) ? error.message : "",
  };
}

/** Backend messages start in lower case and have no full stop. @param {string} text */
function sentence(text) {
  if (text === "") return "";
  const ended = /[.!?…。]$/u.test(text) ? text : `${text}.`;
  return ended[0].toUpperCase() + ended.slice(1);
}

/** @typedef {"model-pick" | "model-load-again" | "model-configure"} Remedy */

/** @type {Record<string, Remedy>} */
const remedies = {
  no_model: "model-pick",
  model_not_found: "model-pick",
  model_no_permission: "model-load-again",
  not_gguf: "model-pick",
  gguf_truncated: "model-pick",
  gguf_damaged: "model-pick",
  unknown_architecture: "model-pick",
  not_enough_memory: "model-configure",
  adapter_failed: "model-configure",
  draft_model_failed: "model-configure",
  projector_failed: "model-configure",
  load_adjusted: "model-configure",
  load_fitted: "model-configure",
  context_too_small: "model-configure",
  load_cancelled: "model-load-again",
  load_failed: "model-load-again",
  engine_crashed: "model-load-again",
  engine_unresponsive: "model-load-again",
  engine_limit: "model-configure",
};

/** The one button that mends it, or null. @param {UiError} error @returns {Remedy & keyof Commands | null} */
export function remedyFor(error) {
  return remedies[error.code] ?? null;
}

/** An error the window makes itself. @param {string} code @param {string} message @returns {UiError} */
export function localError(code, message) {
  return { code, message, hint: null, values: {}, report: null };
}
