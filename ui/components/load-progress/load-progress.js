// @ts-check
/** @import { ModelState } from "../../backend/types.d.ts" */
import { create, setText } from "../../dom/create.js";
import { translate } from "../../locales/translate.js";
import { progressText } from "./progress-text.js";

/** A card in the middle of the window while a model loads and nothing else is there to look at. */
export class LoadProgress extends HTMLElement {
  #title = create("h2");
  #bar = create("progress", { label: "load.progress", max: 1 });
  #text = create("p", { class: "small numbers" });

  constructor() {
    super();
    this.append(
      create("div", { class: "load-card" }, this.#title, this.#bar, this.#text),
      create("p", { class: "small", text: "load.meanwhile" }),
    );
  }

  /** @param {Extract<ModelState, { state: "loading" }>} model */
  update(model) {
    setText(this.#title, translate("load.loading", { name: model.name }));
    this.#bar.value = model.progress;
    setText(this.#text, progressText(model));
  }
}

customElements.define("load-progress", LoadProgress);
