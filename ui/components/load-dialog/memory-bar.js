// @ts-check
/** @import { LoadEstimate, LoadSettings, ModelCard } from "../../backend/types.d.ts" */
/** @import { LoadAnswer } from "../../state/state.d.ts" */
import { errorText } from "../../app/error-text.js";
import { create } from "../../dom/create.js";
import { formatBytes } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { changesOf, estimateMemory } from "./memory.js";

/** @typedef {LoadEstimate["devices"][number]} Device */

/** A part of a bar is labelled when it is wider than this share. */
const LABELLED = 0.2;

/** What a load takes of the memory that is free: on the machine, and on each GPU. */
export class MemoryBar extends HTMLElement {
  constructor() {
    super();
    this.id = "memory";
  }

  /**
   * @param {ModelCard} card
   * @param {LoadSettings} settings
   * @param {LoadAnswer | null} answer the engine's, which is exact
   * @param {string | null} loaded the name of the model that makes room first
   */
  update(card, settings, answer, loaded) {
    if (answer?.error) return this.#showError(answer.error);
    const estimate = answer?.estimate ?? null;
    const devices = estimate?.devices ?? [estimateMemory(card, settings)];
    const gpus = devices.length - 1;
    this.replaceChildren(
      ...devices.map((device) => {
        const names = device.name === "" ? [translate(gpus > 0 ? "load.mainMemory" : "load.fits")] : [device.name];
        if (estimate && device.name !== "" && gpus === 1)
          names.push(translate("load.gpuLayers", { count: estimate.gpuLayers, layers: estimate.layers }));
        const excess = excessOf(device, estimate);
        if (excess) names.push(translate(excess));
        return row(device, names.join(" · "), excess !== null && excess !== "load.tooLargeMapped");
      }),
      ...notes(settings, estimate, gpus > 0 ? loaded : null).map((text) => create("p", { class: "memory-note" }, text)),
    );
  }

  /** @param {import("../../backend/types.d.ts").UiError} error */
  #showError(error) {
    const { title, body, detail } = errorText(error);
    const text = [title, body, detail].filter((part) => part !== "").join(" ");
    this.replaceChildren(create("p", { class: "memory-error small", role: "status" }, text));
  }
}

/** @param {Device} device */
function totalOf(device) {
  return device.weights + device.context + device.compute;
}

/** What it means that a device has less free than is wanted, once the engine told. @param {Device} device @param {LoadEstimate | null} estimate */
function excessOf(device, estimate) {
  const isMore = totalOf(device) > device.available;
  if (estimate === null) return null;
  if (device.name !== "") return isMore ? "load.tooLargeGpu" : null;
  if (!estimate.fits) return "load.tooLarge";
  return isMore ? "load.tooLargeMapped" : null;
}

/** @param {LoadSettings} settings @param {LoadEstimate | null} estimate @param {string | null} loaded */
function notes(settings, estimate, loaded) {
  const texts = [];
  if (estimate?.adjusted) {
    const changes = changesOf(settings, estimate.adjusted).join(" · ");
    texts.push(translate("load.adjusted", { changes }));
  }
  if (loaded) texts.push(translate("load.frees", { name: loaded }));
  return texts;
}

/** @param {Device} device @param {string} label @param {boolean} isTooLarge */
function row(device, label, isTooLarge) {
  const total = totalOf(device);
  const scale = Math.max(total, device.available, 1);
  const parts = /** @type {const} */ (["weights", "context", "compute"]).map((kind) => ({
    kind,
    bytes: device[kind],
    text: translate(`load.${kind}Memory`, { size: formatBytes(device[kind]) }),
  }));
  const bars = parts.map(({ kind, bytes, text }) => {
    const bar = create("span", { class: `memory-${kind}` }, bytes / scale > LABELLED ? text : "");
    bar.style.width = `${(bytes / scale) * 100}%`;
    return bar;
  });
  const sum = translate("load.memory", { total: formatBytes(total), available: formatBytes(device.available) });
  const about = parts
    .filter(({ bytes }) => bytes > 0)
    .map(({ text }) => text)
    .join(" · ");
  return create(
    "div",
    { class: isTooLarge ? "memory-row too-large" : "memory-row" },
    create("div", { class: "memory-head small" }, create("span", {}, label), create("span", { class: "numbers" }, sum)),
    create("div", { class: "memory-bar numbers", role: "img", "aria-label": `${label}: ${sum}: ${about}`, title: about }, ...bars),
  );
}

customElements.define("memory-bar", MemoryBar);
