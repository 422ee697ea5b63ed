// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { setAttribute } from "../../dom/create.js";
import { translate } from "../../locales/translate.js";
import { CharacterPicker } from "../character-picker/character-picker.js";
import { ModelFacts } from "../model-facts/model-facts.js";
import { SamplingPanel } from "../sampling/sampling-panel.js";

/** The right panel: character, sampling, model. */
export class InspectorPanel extends HTMLElement {
  #character = new CharacterPicker();
  #sampling = new SamplingPanel();
  #facts = new ModelFacts();

  constructor() {
    super();
    this.id = "inspector";
    this.setAttribute("role", "complementary");
    this.append(this.#character, this.#sampling, this.#facts);
  }

  /** @param {AppState} state */
  update(state) {
    setAttribute(this, "aria-label", translate("panel.inspector"));
    this.#character.update(state);
    this.#sampling.update(state);
    this.#facts.update(state);
  }
}

customElements.define("inspector-panel", InspectorPanel);
