// @ts-check
import { translate } from "../../locales/translate.js";
/** @import { LoadEstimate, LoadSettings, ModelCard } from "../../backend/types.d.ts" */

/** Bytes of a key or value beside those of f16: blocks of 32 numbers and their scale. */
const share = { f16: 1, q8_0: 34 / 64, q4_0: 18 / 64 };

/**
 * What a model will take of the machine's memory, as far as it can be told from its header: shown until the engine tells it.
 * @param {ModelCard} card
 * @param {LoadSettings} settings
 * @returns {LoadEstimate["devices"][number]}
 */
export function estimateMemory(card, settings) {
  const perToken = (card.memory.kvPerToken / 2) * (share[settings.kvTypeK] + share[settings.kvTypeV]);
  const { weights, available } = card.memory;
  return { name: "", available, weights, context: perToken * settings.contextLength, compute: 0 };
}

/**
 * What is different in the settings that a model will be loaded with.
 * @param {LoadSettings} asked
 * @param {LoadSettings} adjusted
 * @returns {string[]}
 */
export function changesOf(asked, adjusted) {
  /** @type {[boolean, string][]} */
  const changes = [
    [
      asked.contextLength !== adjusted.contextLength,
      translate("load.change.context", { count: adjusted.contextLength }),
    ],
    [asked.kvTypeK !== adjusted.kvTypeK || asked.kvTypeV !== adjusted.kvTypeV, translate("load.change.cache")],
    [asked.draftModel !== adjusted.draftModel, translate("load.change.draftModel")],
    [asked.useMlock !== adjusted.useMlock, translate("load.change.useMlock")],
    [asked.mmap !== adjusted.mmap, translate("load.change.mmap")],
  ];
  return changes.flatMap(([changed, text]) => (changed ? [text] : []));
}
