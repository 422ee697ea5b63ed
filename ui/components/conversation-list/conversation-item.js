// @ts-check
/** @import { ConversationSummary } from "../../backend/types.d.ts" */
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create, setAttribute, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { openMenu } from "../menu/menu.js";

/** One conversation in the list. */
export class ConversationItem extends HTMLElement {
  #emoji = create("span", { class: "item-emoji", "aria-hidden": "true" });
  #title = create("span", { class: "item-title" });
  #open = create(
    "button",
    {
      type: "button",
      class: "item-open",
      onclick: () => emit(this, "conversation-open", { id: this.dataset.id ?? "" }),
    },
    this.#emoji,
    this.#title,
  );
  #more = create(
    "button",
    {
      type: "button",
      class: "icon-button item-more",
      label: "list.more",
      tooltip: "list.more",
      "aria-haspopup": "menu",
      onclick: () => this.#showMenu(),
    },
    icon("more"),
  );
  #storedTitle = "";

  constructor() {
    super();
    this.setAttribute("role", "listitem");
    this.className = "conversation-item";
    this.append(this.#open, this.#more);
    this.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.#showMenu({ x: event.clientX, y: event.clientY });
    });
    this.#open.addEventListener("dblclick", () => this.rename());
    this.#open.addEventListener("keydown", (event) => {
      if (event.key === "F2") this.rename();
      if (event.key === "Delete") emit(this, "conversation-delete", { id: this.dataset.id ?? "" });
    });
  }

  /** @param {ConversationSummary} summary @param {boolean} current @param {boolean} writing */
  update(summary, current, writing) {
    this.dataset.id = summary.id;
    this.#storedTitle = summary.title;
    const title = summary.title || translate("list.untitled");
    setText(this.#title, title);
    setAttribute(this.#open, "title", title);
    if (summary.emoji) setText(this.#emoji, summary.emoji);
    else if (!this.#emoji.querySelector("svg")) this.#emoji.replaceChildren(icon("porch"));
    setAttribute(this.#open, "aria-current", current ? "true" : null);
    this.classList.toggle("writing", writing);
  }

  /** @param {{ x: number; y: number }} [at] */
  #showMenu(at) {
    const id = this.dataset.id ?? "";
    openMenu(
      this.#more,
      translate("list.more"),
      [
        {
          label: translate("list.rename"),
          shortcut: "F2",
          leading: icon("edit"),
          data: { action: "rename" },
          run: () => this.rename(),
        },
        {
          label: translate("list.delete"),
          shortcut: translate("key.delete"),
          leading: icon("trash"),
          data: { action: "delete" },
          danger: true,
          run: () => emit(this, "conversation-delete", { id }),
        },
      ],
      at,
    );
  }

  /** Lets the person write another title in its place. */
  rename() {
    if (this.querySelector(".item-rename")) return;
    const input = watchComposition(
      create("input", { class: "field item-rename", label: "list.renameLabel", maxlength: 200 }),
    );
    input.value = this.#storedTitle;
    let ended = false;
    /** @param {boolean} keep @param {boolean} [refocus] */
    const end = (keep, refocus = false) => {
      if (ended) return;
      ended = true;
      const title = input.value.trim();
      input.remove();
      this.#open.hidden = false;
      if (refocus) this.#open.focus();
      if (keep && title !== "" && title !== this.#storedTitle)
        emit(this, "conversation-rename", { id: this.dataset.id ?? "", title });
    };
    input.addEventListener("blur", () => end(true));
    input.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      event.stopPropagation();
      if (event.key === "Enter") end(true, true);
      if (event.key === "Escape") {
        event.preventDefault();
        end(false, true);
      }
    });
    this.#open.hidden = true;
    this.prepend(input);
    input.select();
    input.focus();
  }
}

customElements.define("conversation-item", ConversationItem);
