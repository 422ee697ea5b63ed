// @ts-check
/** @import { Sampling, SamplingName } from "../types.d.ts" */

/** @type {Record<SamplingName, number | null>} */
const defaults = {
  temperature: 0.8,
  max_tokens: 512,
  top_p: 0.95,
  top_k: 40,
  min_p: 0.05,
  repeat_penalty: 1.1,
  typical_p: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
  repeat_last_n: 64,
  seed: null,
};

/** @param {string | null} characterId @param {Sampling} [kept] what this conversation set itself stays @returns {Sampling} */
export function defaultSampling(characterId, kept) {
  const sampling = /** @type {Sampling} */ (
    Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, { value, source: "default" }]))
  );
  if (characterId === "tsundere") sampling.temperature = { value: 0.9, source: "character" };
  if (characterId === "engineer") sampling.temperature = { value: 0.3, source: "character" };
  for (const name of /** @type {SamplingName[]} */ (Object.keys(kept ?? {}))) {
    if (kept?.[name].source === "conversation") sampling[name] = kept[name];
  }
  return sampling;
}
