// @ts-check
/** @import { LoadSettings, ModelCard } from "../../backend/types.d.ts" */

/** Bytes of a key or value beside those of f16: blocks of 32 numbers and their scale. */
const share = { f16: 1, q8_0: 34 / 64, q4_0: 18 / 64 };

/** What a model will take with these settings, as far as it can be told from its header. @param {ModelCard} card @param {LoadSettings} settings */
export function estimateMemory(card, settings) {
  const perToken = (card.memory.kvPerToken / 2) * (share[settings.kvTypeK] + share[settings.kvTypeV]);
  const context = perToken * settings.contextLength;
  const total = card.memory.weights + context;
  return {
    weights: card.memory.weights,
    context,
    total,
    available: card.memory.available,
    fits: total <= card.memory.available,
  };
}
