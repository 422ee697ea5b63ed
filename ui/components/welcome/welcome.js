// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setShown } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { LoadProgress } from "../load-progress/load-progress.js";

/** The first run: what Engawa is and the ways in; then the loading of the first model. */
export class WelcomeView extends HTMLElement {
  #demo = way("welcome-demo", "welcome.demo", "welcome.demoHint", () => emit(this, "model-demo", null));
  #ways = create(
    "div",
    { class: "ways" },
    way("welcome-open", "welcome.open", "welcome.openHint", () => emit(this, "model-pick", null)),
    this.#demo,
  );
  #greeting = create(
    "div",
    { class: "welcome-words" },
    create("h1", { text: "welcome.title" }),
    create("p", { text: "welcome.text" }),
    this.#ways,
  );
  #progress = new LoadProgress();

  constructor() {
    super();
    this.append(this.#greeting, this.#progress);
  }

  /** @param {AppState} state */
  update(state) {
    const loading = state.model.state === "loading";
    setShown(this.#greeting, !loading);
    setShown(this.#progress, loading);
    setShown(this.#demo, state.demoAvailable);
    if (state.model.state === "loading") this.#progress.update(state.model);
  }
}

/** @param {string} id @param {string} title @param {string} hint @param {() => void} run */
function way(id, title, hint, run) {
  return create(
    "button",
    { type: "button", class: "way", id, onclick: run },
    create("b", { text: title }),
    create("span", { class: "small", text: hint }),
  );
}

customElements.define("welcome-view", WelcomeView);
