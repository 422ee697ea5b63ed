// @ts-check
/** A model that loads in a few seconds of the clock. */
/** @import { BackendEvent, LoadEstimate, LoadSettings, LoadedModel, ModelCard, ModelState, UiError } from "../types.d.ts" */

/** @param {string} code @param {string} message @param {string | null} [hint] @param {Record<string, string | number>} [values] @param {string | null} [report] @returns {UiError} */
export function uiError(code, message, hint = null, values = {}, report = null) {
  return { code, message, hint, values, report };
}

export const crashed = uiError(
  "engine_crashed",
  "the engine stopped while it was writing",
  "load the model again",
  {},
  "exit status: signal 6 (SIGABRT)\nCUDA error: out of memory\n  current device: 0, in function alloc at ggml-cuda.cu:512\n",
);

const file = {
  path: "/home/person/models/qwen2.5-7b-instruct-q4_k_m.gguf",
  name: "Qwen2.5 7B Instruct",
  fileName: "qwen2.5-7b-instruct-q4_k_m.gguf",
};
const FILE_SIZE = 4_683_074_240;

export class FakeModel {
  /** @type {ModelState} */
  state = { state: "none" };
  #timer = 0;

  /** @param {string} scene @param {(...events: BackendEvent[]) => void} send */
  constructor(scene, send) {
    this.send = send;
    this.scene = scene;
    if (["ready", "long", "empty", "notice"].includes(scene))
      this.state = { state: "ready", model: this.loaded(this.card().settings) };
    if (scene === "failed") this.state = { state: "failed", path: file.path, name: file.name, error: crashed };
  }

  begin() {
    if (this.scene === "loading") void this.load(this.card().settings, 400);
  }

  /** @returns {ModelCard} */
  card() {
    return {
      ...file,
      fileSize: FILE_SIZE,
      architecture: "qwen2",
      quantization: "Q4_K_M",
      parameters: 7_615_616_512,
      layers: 28,
      trainedContext: 32768,
      hasTemplate: true,
      memory: { weights: FILE_SIZE, kvPerToken: 57344, available: 11_700_000_000 },
      settings: {
        nGpuLayers: -1,
        gpuSplit: "layers",
        mainGpu: 0,
        gpuShares: [],
        adapters: [],
        contextLength: 8192,
        batchSize: 512,
        threads: 0,
        kvTypeK: "f16",
        kvTypeV: "f16",
        flashAttention: "auto",
        mmap: "auto",
        useMlock: false,
        promptLookup: true,
        draftModel: null,
      },
    };
  }

  /** @param {LoadSettings} settings @returns {LoadedModel} */
  loaded(settings) {
    const layers = 29;
    const gpuLayers = settings.nGpuLayers < 0 ? layers : Math.min(layers, settings.nGpuLayers);
    return {
      ...file,
      fileSize: FILE_SIZE,
      architecture: "qwen2",
      quantization: "Q4_K_M",
      parameters: 7_615_616_512,
      contextLength: settings.contextLength,
      layers,
      gpuLayers,
      devices: gpuLayers > 0 ? ["RTX 3060"] : [],
      template: "file",
      isRecurrent: false,
      settings,
    };
  }

  /** @param {LoadSettings} settings @returns {LoadEstimate} */
  estimate(settings) {
    const { layers, gpuLayers } = this.loaded(settings);
    const share = gpuLayers / layers;
    // More does not fit the card and the machine.
    const adjusted = settings.contextLength > 24_576 ? { ...settings, contextLength: 24_576 } : null;
    const context = 57344 * (adjusted ?? settings).contextLength;
    /** @param {string} name @param {number} available @param {number} part */
    const device = (name, available, part) => ({
      name,
      available,
      weights: FILE_SIZE * part,
      context: context * part,
      compute: part > 0 ? 320_000_000 : 40_000_000,
    });
    const gpus = gpuLayers > 0 ? [device("RTX 3060", 7_400_000_000, share)] : [];
    const devices = [...gpus, device("", 11_700_000_000, 1 - share)];
    return { layers, gpuLayers, gpus: 1, devices, fits: true, adjusted };
  }

  /** @param {LoadSettings} settings @param {number} [step] milliseconds a step of 40 */
  load(settings, step = 80) {
    clearInterval(this.#timer);
    let progress = 0;
    this.#timer = window.setInterval(() => {
      progress = Math.min(1, progress + 0.025);
      if (progress < 1)
        return this.change({
          state: "loading",
          ...file,
          fileSize: FILE_SIZE,
          progress,
          remaining: progress < 0.1 ? null : (1 - progress) * 40 * step,
        });
      clearInterval(this.#timer);
      this.change({ state: "ready", model: this.loaded(settings) });
    }, step);
  }

  cancel() {
    clearInterval(this.#timer);
    this.change({ state: "none" });
  }

  unload() {
    this.change({ state: "none" });
  }

  fail() {
    this.change({ state: "failed", path: file.path, name: file.name, error: crashed });
  }

  /** @returns {Promise<void>} when a model that loads has ended loading */
  async settled() {
    while (this.state.state === "loading") await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** @param {ModelState} state */
  change(state) {
    this.state = state;
    this.send({ type: "modelState", model: state });
  }
}
