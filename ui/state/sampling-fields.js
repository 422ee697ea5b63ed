// @ts-check
/** The sampling settings as the panel shows them. */
/** @import { Sampling, SamplingName } from "../backend/types.d.ts" */

/**
 * @typedef {object} SamplingField
 * @property {SamplingName} name
 * @property {number} minimum
 * @property {number} maximum
 * @property {number} step
 * @property {number} digits
 * @property {boolean} [optional] may be null: no limit
 */

/**
 * Settings of one sampler, which is off by default.
 * @typedef {object} SamplingGroup
 * @property {"dry" | "xtc" | "dynatemp" | "mirostat" | "adaptive"} name
 * @property {SamplingField[]} fields
 * @property {(sampling: Sampling) => boolean} isOn
 */

/** Always shown. @type {SamplingField[]} */
export const primaryFields = [
  { name: "temperature", minimum: 0.1, maximum: 2, step: 0.05, digits: 2 },
  { name: "max_tokens", minimum: 1, maximum: 2048, step: 1, digits: 0, optional: true },
  { name: "top_p", minimum: 0, maximum: 1, step: 0.01, digits: 2 },
  { name: "top_k", minimum: 0, maximum: 200, step: 1, digits: 0 },
  { name: "min_p", minimum: 0, maximum: 1, step: 0.01, digits: 2 },
  { name: "repeat_penalty", minimum: 1, maximum: 2, step: 0.01, digits: 2 },
];

/** Behind "more". @type {SamplingField[]} */
export const furtherFields = [
  { name: "typical_p", minimum: 0, maximum: 1, step: 0.01, digits: 2 },
  { name: "top_n_sigma", minimum: -1, maximum: 5, step: 0.1, digits: 1 },
  { name: "frequency_penalty", minimum: -2, maximum: 2, step: 0.05, digits: 2 },
  { name: "presence_penalty", minimum: -2, maximum: 2, step: 0.05, digits: 2 },
  { name: "repeat_last_n", minimum: -1, maximum: 2048, step: 1, digits: 0 },
];

/** @param {Sampling} sampling @param {SamplingName} name */
const number = (sampling, name) => sampling[name].value ?? 0;

/** With Mirostat, of all samplers only the temperature counts. @param {Sampling} sampling */
const hasMirostat = (sampling) => number(sampling, "mirostat") > 0;

/** Behind "more", each folded. @type {SamplingGroup[]} */
export const samplingGroups = [
  {
    name: "dry",
    fields: [
      { name: "dry_multiplier", minimum: 0, maximum: 5, step: 0.05, digits: 2 },
      { name: "dry_base", minimum: 1, maximum: 4, step: 0.05, digits: 2 },
      { name: "dry_allowed_length", minimum: 0, maximum: 20, step: 1, digits: 0 },
      { name: "dry_penalty_last_n", minimum: -1, maximum: 2048, step: 1, digits: 0 },
    ],
    isOn: (sampling) =>
      number(sampling, "dry_multiplier") > 0 && number(sampling, "dry_penalty_last_n") !== 0 && !hasMirostat(sampling),
  },
  {
    name: "xtc",
    fields: [
      { name: "xtc_probability", minimum: 0, maximum: 1, step: 0.01, digits: 2 },
      { name: "xtc_threshold", minimum: 0, maximum: 0.5, step: 0.01, digits: 2 },
    ],
    isOn: (sampling) => number(sampling, "xtc_probability") > 0 && !hasMirostat(sampling),
  },
  {
    name: "dynatemp",
    fields: [
      { name: "dynatemp_range", minimum: 0, maximum: 2, step: 0.05, digits: 2 },
      { name: "dynatemp_exponent", minimum: 0.1, maximum: 4, step: 0.1, digits: 1 },
    ],
    isOn: (sampling) => number(sampling, "dynatemp_range") > 0 && !hasMirostat(sampling),
  },
  {
    name: "mirostat",
    fields: [
      { name: "mirostat", minimum: 0, maximum: 2, step: 1, digits: 0 },
      { name: "mirostat_tau", minimum: 0, maximum: 10, step: 0.1, digits: 1 },
      { name: "mirostat_eta", minimum: 0, maximum: 1, step: 0.01, digits: 2 },
    ],
    isOn: hasMirostat,
  },
  {
    name: "adaptive",
    fields: [
      { name: "adaptive_target", minimum: -1, maximum: 1, step: 0.05, digits: 2 },
      { name: "adaptive_decay", minimum: 0, maximum: 0.99, step: 0.01, digits: 2 },
    ],
    isOn: (sampling) => number(sampling, "adaptive_target") >= 0 && !hasMirostat(sampling),
  },
];
