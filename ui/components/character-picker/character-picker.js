// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
/** @import { Character, CharacterId } from "../../backend/types.d.ts" */
import { create, setAttribute, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { openMenu } from "../menu/menu.js";

/** Who answers: a card of the character and buttons for the others. */
export class CharacterPicker extends HTMLElement {
  #face = create("span", { class: "face", "aria-hidden": "true" });
  #name = create("b");
  #description = create("span", { class: "small" });
  #card = create(
    "button",
    {
      type: "button",
      id: "character-card",
      class: "character-card",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      onclick: () => this.#showList(),
    },
    this.#face,
    create("span", { class: "character-words" }, this.#name, this.#description),
    icon("down"),
  );
  #row = create("div", { class: "character-row", role: "group", label: "character.title" });
  #note = create("p", { class: "small character-note", text: "character.note" });
  /** @type {Character[]} */
  #characters = [];
  /** @type {CharacterId | null} */
  #chosen = null;

  constructor() {
    super();
    this.append(create("h2", { text: "character.title" }), this.#card, this.#row, this.#note);
  }

  /** @param {AppState} state */
  update(state) {
    this.#chosen = state.conversation ? state.conversation.characterId : state.characterId;
    if (state.characters !== this.#characters) {
      this.#characters = state.characters;
      this.#row.replaceChildren(...state.characters.map((each) => this.#choice(each)), this.#choice(null));
    }
    const character = this.#characters.find((each) => each.id === this.#chosen) ?? null;
    setText(this.#name, character?.name ?? translate("character.none"));
    setText(this.#description, character?.description ?? translate("character.noneHint"));
    if (character) setText(this.#face, character.emoji);
    else if (!this.#face.querySelector("svg")) this.#face.replaceChildren(icon("porch"));
    for (const button of this.#row.querySelectorAll("button")) {
      const chosen = (button.dataset.character ?? "") === (this.#chosen ?? "none");
      setAttribute(button, "aria-pressed", String(chosen));
      if (button.dataset.character === "none") {
        setAttribute(button, "title", translate("character.none"));
        setAttribute(button, "aria-label", translate("character.none"));
      }
    }
    this.#note.hidden = !(state.conversation && state.conversation.messages.length > 0);
  }

  /** @param {Character | null} character */
  #choice(character) {
    const text = character ? `${character.name} · ${character.description}` : "";
    return create(
      "button",
      {
        type: "button",
        "data-character": character?.id ?? "none",
        "aria-label": text,
        title: text,
        onclick: () => emit(this, "character-pick", { id: character?.id ?? null }),
      },
      character?.emoji ?? icon("none"),
    );
  }

  #showList() {
    openMenu(
      this.#card,
      translate("character.title"),
      [...this.#characters, null].map((character) => ({
        label: character?.name ?? translate("character.none"),
        description: character?.description ?? translate("character.noneHint"),
        leading: character ? document.createTextNode(character.emoji) : icon("none"),
        checked: (character?.id ?? null) === this.#chosen,
        data: { "character-item": character?.id ?? "none" },
        run: () => emit(this, "character-pick", { id: character?.id ?? null }),
      })),
    );
  }
}

customElements.define("character-picker", CharacterPicker);
