// @ts-check
/** The sampling settings as the panel shows them. */
/** @import { SamplingName } from "../backend/types.d.ts" */

/**
 * @typedef {object} SamplingField
 * @property {SamplingName} name
 * @property {number} minimum
 * @property {number} maximum
 * @property {number} step
 * @property {number} digits
 * @property {boolean} primary shown without unfolding "more"
 * @property {boolean} [optional] may be null: no limit
 */

/** @type {SamplingField[]} */
export const samplingFields = [
  { name: "temperature", minimum: 0.1, maximum: 2, step: 0.05, digits: 2, primary: true },
  { name: "max_tokens", minimum: 1, maximum: 2048, step: 1, digits: 0, primary: true, optional: true },
  { name: "top_p", minimum: 0, maximum: 1, step: 0.01, digits: 2, primary: true },
  { name: "top_k", minimum: 0, maximum: 200, step: 1, digits: 0, primary: true },
  { name: "min_p", minimum: 0, maximum: 1, step: 0.01, digits: 2, primary: true },
  { name: "repeat_penalty", minimum: 1, maximum: 2, step: 0.01, digits: 2, primary: true },
  { name: "typical_p", minimum: 0, maximum: 1, step: 0.01, digits: 2, primary: false },
  { name: "frequency_penalty", minimum: -2, maximum: 2, step: 0.05, digits: 2, primary: false },
  { name: "presence_penalty", minimum: -2, maximum: 2, step: 0.05, digits: 2, primary: false },
  { name: "repeat_last_n", minimum: -1, maximum: 2048, step: 1, digits: 0, primary: false },
];
