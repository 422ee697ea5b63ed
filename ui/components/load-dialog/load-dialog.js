// @ts-check
/** @import { LoadSettings, ModelCard } from "../../backend/types.d.ts" */
/** @import { LoadAnswer } from "../../state/state.d.ts" */
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { formatBytes, formatNumber, formatParameters } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { AppDialog } from "../dialog/dialog.js";
import { LoadOptions } from "./load-options.js";
import { MemoryBar } from "./memory-bar.js";

const SMALLEST_CONTEXT = 512;
const UNKNOWN_CONTEXT = 32768;
/** How long the settings rest before the engine reckons with them, in milliseconds. */
const REST = 250;

/** The card of a model file before anything loads it. */
export class LoadDialog extends AppDialog {
  #name = create("b", { class: "load-name" });
  #file = create("span", { class: "small" });
  #facts = create("dl", { class: "facts load-facts" });
  #memory = new MemoryBar();
  #range = create("input", { type: "range", id: "load-context", min: SMALLEST_CONTEXT, step: 256 });
  #number = watchComposition(
    create("input", {
      type: "number",
      id: "load-context-number",
      class: "field numbers",
      min: 1,
      step: 1,
      label: "load.context",
    }),
  );
  #upTo = create("span", { class: "from" });
  #options = new LoadOptions();
  #confirm = create("button", {
    type: "button",
    id: "load-confirm",
    class: "action",
    text: "load.confirm",
    onclick: () => this.#load(),
  });
  /** @type {ModelCard | null} */
  #card = null;
  /** @type {LoadSettings | null} */
  #settings = null;
  /** What the engine was asked about last. @type {LoadSettings | null} */
  #asked = null;
  /** @type {LoadAnswer | null} */
  #answer = null;
  /** @type {string | null} */
  #loaded = null;
  #timer = 0;

  constructor() {
    super("load.title", () => emit(this, "model-load-dismiss", null));
    this.dialog.id = "load-dialog";
    const context = create(
      "div",
      { class: "load-context" },
      create(
        "div",
        { class: "slider-head" },
        create("label", { for: "load-context", text: "load.context", tooltip: "load.contextAbout" }),
        this.#upTo,
      ),
      this.#number,
      this.#range,
    );
    const dismiss = create("button", {
      type: "button",
      id: "load-dismiss",
      class: "quiet push",
      text: "load.cancel",
      onclick: () => emit(this, "model-load-dismiss", null),
    });
    this.body.append(
      create("div", { class: "load-head" }, this.#name, this.#file),
      this.#facts,
      this.#memory,
      context,
      this.#options,
      create("div", { class: "dialog-actions" }, this.#confirm, dismiss),
    );
    this.#range.addEventListener("input", () => this.#setContext(this.#range.valueAsNumber));
    this.#number.addEventListener("change", () =>
      this.#setContext(Math.max(1, Math.round(this.#number.valueAsNumber || SMALLEST_CONTEXT))),
    );
    this.#number.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !isComposing(event)) this.#load();
    });
  }

  /** @param {ModelCard | null} card @param {LoadAnswer | null} answer @param {string | null} loaded the name of the loaded model */
  update(card, answer, loaded) {
    this.#loaded = loaded;
    if (card !== this.#card) {
      this.#card = card;
      clearTimeout(this.#timer);
      if (card) this.#show(card);
    }
    if (answer !== this.#answer && answer?.settings === this.#asked) {
      this.#answer = answer;
      if (answer?.estimate) this.#options.setGpus(answer.estimate.gpus);
      this.#showMemory();
    }
    this.setOpen(card !== null);
  }

  /** @param {ModelCard} card */
  #show(card) {
    this.#settings = { ...card.settings };
    setText(this.#name, card.name);
    setText(this.#file, `${card.fileName} · ${formatBytes(card.fileSize)}`);
    this.#file.title = card.path;
    this.#facts.replaceChildren(
      ...factsOf(card).flatMap(([key, value]) => [
        create("dt", {}, translate(`load.fact.${key}`)),
        create("dd", {}, value),
      ]),
    );
    const largest = card.trainedContext ?? UNKNOWN_CONTEXT;
    this.#range.max = String(Math.max(largest, card.settings.contextLength, SMALLEST_CONTEXT));
    setText(this.#upTo, card.trainedContext ? translate("load.trainedUpTo", { count: card.trainedContext }) : "");
    this.#options.show(card, this.#settings, (patch) => this.#change(patch));
    this.#change({});
    queueMicrotask(() => this.#confirm.focus());
  }

  /** @param {number} tokens */
  #setContext(tokens) {
    this.#change({ contextLength: tokens });
  }

  /** @param {Partial<LoadSettings>} patch */
  #change(patch) {
    if (!this.#card || !this.#settings) return;
    Object.assign(this.#settings, patch);
    const { contextLength } = this.#settings;
    this.#range.value = String(contextLength);
    this.#number.value = String(contextLength);
    const { min, max } = this.#range;
    this.#range.style.setProperty("--fill", `${((contextLength - Number(min)) / (Number(max) - Number(min))) * 100}%`);
    this.#answer = null;
    this.#asked = null;
    this.#showMemory();
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#ask(), REST);
  }

  #ask() {
    if (!this.#card || !this.#settings) return;
    this.#asked = { ...this.#settings };
    emit(this, "model-estimate", { path: this.#card.path, settings: this.#asked });
  }

  #showMemory() {
    if (this.#card && this.#settings) this.#memory.update(this.#card, this.#settings, this.#answer, this.#loaded);
  }

  #load() {
    if (this.#card && this.#settings)
      emit(this, "model-load", { path: this.#card.path, settings: { ...this.#settings } });
  }
}

/** @param {ModelCard} card @returns {[string, string][]} */
function factsOf(card) {
  const layers = card.layers === null ? [] : [translate("load.layers", { count: card.layers })];
  const parameters = card.parameters === null ? [] : [formatParameters(card.parameters)];
  return [
    ["architecture", [card.architecture, ...parameters, ...layers].join(" · ")],
    ["quantization", card.quantization],
    ["trainedContext", card.trainedContext === null ? "–" : formatNumber(card.trainedContext)],
    ["template", translate(card.hasTemplate ? "facts.template.file" : "facts.template.chatml")],
  ];
}

customElements.define("load-dialog", LoadDialog);
