// @ts-check
/** @import { ModelState } from "../../backend/types.d.ts" */
import { formatBytes, formatPercent, formatRemaining } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

/** Such as "62 % · 2.7 GB of 4.4 GB · about 3 s left". @param {Extract<ModelState, { state: "loading" }>} model */
export function progressText(model) {
  const parts = [formatPercent(model.progress)];
  if (model.fileSize > 0)
    parts.push(
      translate("load.bytes", {
        done: formatBytes(model.fileSize * model.progress),
        total: formatBytes(model.fileSize),
      }),
    );
  if (model.remaining !== null) parts.push(translate("load.remaining", { time: formatRemaining(model.remaining) }));
  return parts.join(" · ");
}
