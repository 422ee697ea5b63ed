// @ts-check
/** @import { Timings } from "../../backend/types.d.ts" */
import { formatNumber, formatSeconds } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

/** Such as "42.1 tok/s · first 0.21 s · 187 tokens (reused 3,150)". @param {Timings} timings */
export function timingsText(timings) {
  const speed = formatNumber(timings.tokensPerSecond, timings.tokensPerSecond < 100 ? 1 : 0);
  const tokens = translate("timings.tokens", { count: timings.generatedTokens });
  const reused = timings.reusedTokens > 0 ? translate("timings.reused", { count: timings.reusedTokens }) : "";
  return [
    translate("timings.speed", { speed }),
    translate("timings.first", { time: formatSeconds(timings.timeToFirstToken) }),
    tokens + reused,
  ].join(" · ");
}

/** The long version, for the tooltip. @param {Timings} timings */
export function timingsTooltip(timings) {
  return translate("timings.tooltip", {
    prompt: timings.promptTokens,
    reused: timings.reusedTokens,
    processed: timings.processedTokens,
    generated: timings.generatedTokens,
    total: formatSeconds(timings.total),
  });
}
