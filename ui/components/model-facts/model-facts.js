// @ts-check
/** @import { LoadedModel } from "../../backend/types.d.ts" */
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setShown } from "../../dom/create.js";
import { formatBytes, formatNumber, formatParameters } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

/** What is loaded, in a few lines. */
export class ModelFacts extends HTMLElement {
  #list = create("dl", { class: "facts", id: "model-facts" });
  /** @type {unknown[]} */
  #drawn = [];

  constructor() {
    super();
    this.append(create("h2", { text: "facts.title" }), this.#list);
  }

  /** @param {AppState} state */
  update({ model, language }) {
    const ready = model.state === "ready" ? model.model : null;
    setShown(this, ready !== null);
    if (!ready || (this.#drawn[0] === ready && this.#drawn[1] === language)) return;
    this.#drawn = [ready, language];
    this.#list.replaceChildren(
      ...facts(ready).flatMap(([key, value]) => [create("dt", {}, translate(`facts.${key}`)), create("dd", {}, value)]),
    );
  }
}

/** @param {LoadedModel} model @returns {[string, string][]} */
function facts(model) {
  return [
    ["architecture", `${model.architecture} · ${formatParameters(model.parameters)}`],
    ["file", `${formatBytes(model.fileSize)} · ${model.quantization}`],
    ["context", translate("facts.tokens", { count: model.contextLength })],
    [
      "layers",
      model.gpuLayers > 0
        ? translate("facts.layersOf", {
            gpuLayers: formatNumber(model.gpuLayers),
            layers: formatNumber(model.layers),
            devices: model.devices.join(", "),
          })
        : translate("facts.noGpu"),
    ],
    ["template", translate(`facts.template.${model.template}`)],
    ...(model.isRecurrent ? [/** @type {[string, string]} */ (["edits", translate("facts.edits.recurrent")])] : []),
  ];
}

customElements.define("model-facts", ModelFacts);
