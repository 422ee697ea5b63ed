// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { translate } from "../../locales/translate.js";

/** The line below the text: what will become of it. @param {AppState} state */
export function composerNote(state) {
  if (state.model.state === "loading") return translate("composer.whenReady");
  if (state.model.state === "none") return translate("composer.noModel");
  const marks = Object.values(state.samplingMarks);
  if (marks.some((mark) => mark.kind === "pending")) return translate("composer.samplingPending");
  return translate("composer.hint");
}
