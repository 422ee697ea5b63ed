// @ts-check
/** @import { LoadSettings, ModelCard } from "../../backend/types.d.ts" */
/** @import { LoadAnswer } from "../../state/state.d.ts" */
import { errorText } from "../../app/error-text.js";
import { create } from "../../dom/create.js";
import { formatBytes } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { estimateMemory } from "./memory.js";

/** @typedef {import("../../backend/types.d.ts").LoadEstimate["devices"][number]} Device */

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
    const { devices, layers, gpuLayers } = answer?.estimate ?? {
      devices: [estimateMemory(card, settings)],
      layers: 0,
      gpuLayers: 0,
    };
    const gpus = devices.length - 1;
    this.replaceChildren(
      ...devices.map((device) => {
        const total = device.weights + device.context + device.compute;
        const names = device.name === "" ? [translate(gpus > 0 ? "load.mainMemory" : "load.fits")] : [device.name];
        if (device.name !== "" && gpus === 1) names.push(translate("load.gpuLayers", { count: gpuLayers, layers }));
        if (total > device.available) names.push(translate("load.tooLarge"));
        return row(device, total, names.join(" · "));
      }),
      ...(loaded && gpus > 0 ? [create("p", { class: "small" }, translate("load.frees", { name: loaded }))] : []),
    );
  }

  /** @param {import("../../backend/types.d.ts").UiError} error */
  #showError(error) {
    const { title, body, detail } = errorText(error);
    const text = [title, body, detail].filter((part) => part !== "").join(" ");
    this.replaceChildren(create("p", { class: "memory-error small", role: "status" }, text));
  }
}

/** @param {Device} device @param {number} total @param {string} label */
function row(device, total, label) {
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
    { class: total > device.available ? "memory-row too-large" : "memory-row" },
    create("div", { class: "memory-head small" }, create("span", {}, label), create("span", { class: "numbers" }, sum)),
    create("div", { class: "memory-bar numbers", role: "img", "aria-label": `${label}: ${sum}: ${about}`, title: about }, ...bars),
  );
}

customElements.define("memory-bar", MemoryBar);
