// @ts-check
/** @import { AppState } from "./state.d.ts" */

/** The file of the model that is open, is being opened or has failed. @param {AppState} state @returns {string | null} */
export function modelPath({ model }) {
  if (model.state === "ready") return model.model.path;
  return "path" in model ? model.path : null;
}
