// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
/** @import { ModelState } from "../../backend/types.d.ts" */
import { create, setAttribute, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { formatPercent } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";
import { ContextMeter } from "../context-meter/context-meter.js";
import { progressText } from "../load-progress/progress-text.js";
import { openMenu } from "../menu/menu.js";

/** The header: which model, where it runs, how it loads, how full its context is. */
export class ModelBar extends HTMLElement {
  #name = create("span", { class: "model-name" });
  #quantization = create("span", { class: "small model-quantization" });
  #button = create(
    "button",
    {
      type: "button",
      id: "model-button",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      onclick: () => this.#showMenu(),
    },
    this.#name,
    this.#quantization,
    icon("down"),
  );
  #badge = create("span", { id: "model-badge", class: "badge numbers" });
  #bar = create("progress", { label: "load.progress", max: 1 });
  #percent = create("span", { class: "small numbers load-text" });
  #cancel = create("button", {
    type: "button",
    id: "load-cancel",
    class: "plain small-button",
    text: "load.cancel",
    onclick: () => emit(this, "model-cancel", null),
  });
  #loading = create("div", { class: "model-loading", role: "status" }, this.#bar, this.#percent, this.#cancel);
  #meter = new ContextMeter();
  #sidebar = panelButton("sidebar");
  #inspector = panelButton("inspector");
  /** @type {ModelState} */
  #model = { state: "none" };
  #offersDemo = false;

  constructor() {
    super();
    this.setAttribute("role", "banner");
    this.append(this.#sidebar, this.#button, this.#badge, this.#loading, this.#meter, this.#inspector);
  }

  /** @param {AppState} state @param {{ sidebar: boolean; inspector: boolean }} shown */
  update(state, shown) {
    const model = (this.#model = state.model);
    this.#offersDemo = state.demoAvailable && model.state !== "loading";
    const ready = model.state === "ready" ? model.model : null;
    setText(
      this.#name,
      ready?.name ?? (model.state === "none" ? translate("model.choose") : "name" in model ? model.name : ""),
    );
    setText(this.#quantization, ready?.quantization ?? "");
    setAttribute(this.#button, "title", ready ? `${ready.fileName}\n${ready.path}` : null);
    this.#updateBadge(model);
    setShown(this.#loading, model.state === "loading");
    if (model.state === "loading") {
      this.#bar.value = model.progress;
      setText(this.#percent, formatPercent(model.progress));
      setAttribute(this.#loading, "title", progressText(model));
    }
    const context = state.conversation?.context ?? (ready ? { used: 0, size: ready.contextLength } : null);
    this.#meter.update(model.state === "loading" ? null : context);
    updatePanelButton(this.#sidebar, "sidebar", shown.sidebar);
    updatePanelButton(this.#inspector, "inspector", shown.inspector);
  }

  /** @param {ModelState} model */
  #updateBadge(model) {
    setShown(this.#badge, model.state === "ready" || model.state === "failed");
    this.#badge.classList.toggle("stopped", model.state === "failed");
    if (model.state === "failed") setText(this.#badge, translate("model.stopped"));
    if (model.state !== "ready") return;
    const { gpuLayers, layers, devices } = model.model;
    this.#badge.classList.toggle("partial", gpuLayers < layers);
    setText(this.#badge, gpuLayers > 0 ? `GPU ${gpuLayers}/${layers}` : translate("model.cpuOnly"));
    setAttribute(
      this.#badge,
      "title",
      gpuLayers > 0
        ? translate("model.gpuTooltip", { gpuLayers, layers, devices: devices.join(", ") })
        : translate("model.cpuTooltip"),
    );
  }

  #showMenu() {
    const model = this.#model;
    const path = model.state === "ready" ? model.model.path : "path" in model ? model.path : null;
    openMenu(this.#button, translate("model.menu"), [
      {
        label: translate("model.open"),
        shortcut: "Ctrl O",
        leading: icon("file"),
        id: "model-open",
        run: () => emit(this, "model-pick", null),
      },
      ...(this.#offersDemo
        ? [
            {
              label: translate("model.demo"),
              leading: icon("porch"),
              id: "model-demo",
              run: () => emit(this, "model-demo", null),
            },
          ]
        : []),
      ...(path !== null && model.state !== "loading"
        ? [
            {
              label: translate("model.reload"),
              leading: icon("settings"),
              id: "model-configure",
              run: () => emit(this, "model-configure", { path }),
            },
          ]
        : []),
      ...(model.state === "ready"
        ? [
            null,
            {
              label: translate("model.unload"),
              description: translate("model.unloadHint"),
              leading: icon("eject"),
              id: "model-unload",
              run: () => emit(this, "model-unload", null),
            },
          ]
        : []),
    ]);
  }
}

/** @param {"sidebar" | "inspector"} panel */
function panelButton(panel) {
  const button = create(
    "button",
    {
      type: "button",
      id: `toggle-${panel}`,
      class: "icon-button",
      "aria-controls": panel,
      onclick: () => emit(button, "panel-toggle", { panel }),
    },
    icon(panel),
  );
  return button;
}

/** @param {HTMLElement} button @param {"sidebar" | "inspector"} panel @param {boolean} shown */
function updatePanelButton(button, panel, shown) {
  const text = translate(`panel.${panel}.${shown ? "hide" : "show"}`);
  setAttribute(button, "aria-expanded", String(shown));
  setAttribute(button, "aria-label", text);
  setAttribute(button, "title", text);
}

customElements.define("model-bar", ModelBar);
