// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setShown, setText } from "../../dom/create.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { LoadProgress } from "../load-progress/load-progress.js";

/** An empty conversation: who will answer, and the words the character greets with. */
export class ConversationStart extends HTMLElement {
  #face = create("div", { class: "face", "aria-hidden": "true" });
  #name = create("h1");
  #description = create("p", { class: "small" });
  #greeting = create("p", { class: "greeting", id: "greeting" });
  #progress = new LoadProgress();

  constructor() {
    super();
    this.append(
      create("div", { class: "start-words" }, this.#face, this.#name, this.#description, this.#greeting),
      this.#progress,
    );
  }

  /** @param {AppState} state */
  update(state) {
    const chosen = state.conversation ? state.conversation.characterId : state.characterId;
    const character = state.characters.find((each) => each.id === chosen) ?? null;
    if (character) setText(this.#face, character.emoji);
    else if (!this.#face.querySelector("svg")) this.#face.replaceChildren(icon("porch"));
    setText(this.#name, character?.name ?? translate("start.title"));
    setText(this.#description, character?.description ?? translate("start.text"));
    setShown(this.#greeting, Boolean(character?.greeting));
    setText(this.#greeting, character?.greeting ?? "");
    setShown(this.#progress, state.model.state === "loading");
    if (state.model.state === "loading") this.#progress.update(state.model);
  }
}

customElements.define("conversation-start", ConversationStart);
