// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setChildren, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";
import { openMenu } from "../menu/menu.js";
import { watchComposition, isComposing } from "../../dom/composition.js";
import { ConversationItem } from "./conversation-item.js";
import { groupByAge } from "./groups.js";

const SEARCH_DELAY = 180;

/** The left panel: new chat, search, the conversations, settings. */
export class ConversationList extends HTMLElement {
  #search = watchComposition(
    create("input", {
      type: "search",
      id: "search",
      class: "search",
      placeholder: "list.searchPlaceholder",
      label: "list.search",
      autocomplete: "off",
      spellcheck: "false",
    }),
  );
  #list = create("div", { class: "list", id: "conversation-list" });
  #none = create("p", { class: "small list-none", hidden: true });
  /** @type {Map<string, ConversationItem>} */
  #items = new Map();
  /** @type {unknown[]} */
  #drawn = [];
  #searchTimer = 0;

  constructor() {
    super();
    this.id = "sidebar";
    this.setAttribute("role", "navigation");
    const newChat = create(
      "button",
      { type: "button", id: "new-conversation", class: "new", onclick: () => emit(this, "conversation-new", null) },
      icon("plus"),
      create("span", { text: "list.new" }),
      create("kbd", { "aria-hidden": "true" }, "Ctrl N"),
    );
    const settings = create(
      "button",
      {
        type: "button",
        id: "settings-button",
        class: "quiet list-settings",
        onclick: () => emit(this, "dialog-open", { dialog: "settings" }),
      },
      icon("settings"),
      create("span", { text: "settings.title" }),
    );
    const more = create(
      "button",
      {
        type: "button",
        id: "sidebar-menu",
        class: "icon-button",
        label: "list.files",
        tooltip: "list.files",
        "aria-haspopup": "menu",
        onclick: () => this.#showMenu(more),
      },
      icon("more"),
    );
    this.append(newChat, this.#search, this.#list, create("div", { class: "list-foot" }, settings, more));
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = window.setTimeout(
        () => emit(this, "conversation-search", { query: this.#search.value.trim() }),
        SEARCH_DELAY,
      );
    });
    this.#search.addEventListener("keydown", (event) => this.#searchKey(event));
  }

  /** @param {AppState} state */
  update(state) {
    const shown = state.searchResults ?? state.conversations;
    const wanted = [shown, state.currentId, state.language, state.searchQuery, [...state.running.keys()].join()];
    if (wanted.every((value, index) => value === this.#drawn[index])) return;
    this.#drawn = wanted;
    this.setAttribute("aria-label", translate("list.title"));
    /** @type {Map<string, ConversationItem>} */
    const items = new Map();
    /** @type {Node[]} */
    const children = [];
    const groups = state.searchResults
      ? [{ title: translate("list.found", { count: shown.length }), conversations: shown }]
      : groupByAge(shown, Date.now());
    for (const group of groups) {
      const heading = create("h2", {}, group.title);
      const list = create("div", { role: "list", "aria-label": group.title });
      for (const summary of group.conversations) {
        const item = this.#items.get(summary.id) ?? new ConversationItem();
        item.update(summary, summary.id === state.currentId, state.running.has(summary.id));
        items.set(summary.id, item);
        list.append(item);
      }
      children.push(heading, list);
    }
    this.#items = items;
    setShown(this.#none, shown.length === 0);
    setText(this.#none, translate(state.searchResults ? "list.nothingFound" : "list.empty"));
    const focused = /** @type {HTMLElement | null} */ (
      this.contains(document.activeElement) ? document.activeElement : null
    );
    setChildren(this.#list, [...children, this.#none]);
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  renameCurrent() {
    for (const item of this.#items.values()) if (item.querySelector("[aria-current]")) item.rename();
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (isComposing(event)) return;
    if (event.key === "Escape" && this.#search.value !== "") {
      event.preventDefault();
      this.#search.value = "";
      emit(this, "conversation-search", { query: "" });
    }
    if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      this.#list.querySelector("button")?.focus();
    }
  }

  /** @param {HTMLElement} anchor */
  #showMenu(anchor) {
    openMenu(anchor, translate("list.files"), [
      {
        label: translate("export.open"),
        shortcut: "Ctrl E",
        leading: icon("export"),
        id: "export-open",
        run: () => emit(this, "dialog-open", { dialog: "export" }),
      },
      {
        label: translate("import.open"),
        leading: icon("import"),
        id: "import-open",
        run: () => emit(this, "conversation-import", null),
      },
    ]);
  }
}

customElements.define("conversation-list", ConversationList);
