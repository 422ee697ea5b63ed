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
  top_n_sigma: -1,
  dry_multiplier: 0,
  dry_base: 1.75,
  dry_allowed_length: 2,
  dry_penalty_last_n: 64,
  xtc_probability: 0,
  xtc_threshold: 0.1,
  dynatemp_range: 0,
  dynatemp_exponent: 1,
  mirostat: 0,
  mirostat_tau: 5,
  mirostat_eta: 0.1,
  adaptive_target: -1,
  adaptive_decay: 0.9,
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
