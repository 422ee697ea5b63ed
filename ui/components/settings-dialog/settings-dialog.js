// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { watchComposition } from "../../dom/composition.js";
import { create, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";
import { AppDialog } from "../dialog/dialog.js";

/** Every language by its own name, whatever the interface speaks. */
const languageNames = { auto: "", en: "English", ja: "日本語", ru: "Русский" };
const themes = ["system", "light", "dark"];
const shortcuts = [
  ["Enter", "send"],
  ["Shift Enter", "break"],
  ["Esc", "stop"],
  ["Ctrl N", "new"],
  ["Ctrl K", "search"],
  ["Ctrl O", "open"],
  ["Ctrl E", "export"],
  ["Ctrl ,", "settings"],
  ["F2", "rename"],
];

/** The most that the cache may take, in GiB. */
const LARGEST_CACHE = 1000;

/** Language, theme, what is kept on disk, and what the keys do. */
export class SettingsDialog extends AppDialog {
  #language = create(
    "select",
    { id: "settings-language", class: "field", autofocus: true },
    ...Object.entries(languageNames).map(([value, name]) =>
      create(
        "option",
        name === "" ? { value, text: "settings.auto" } : { value, lang: value },
        name === "" ? null : name,
      ),
    ),
  );
  #theme = create(
    "div",
    { class: "segments", role: "radiogroup", label: "settings.theme", id: "settings-theme" },
    ...themes.map((theme) => themeChoice(theme)),
  );
  #cache = watchComposition(
    create("input", {
      type: "number",
      id: "settings-cache",
      class: "field numbers",
      min: 0,
      max: LARGEST_CACHE,
      step: 0.5,
    }),
  );
  #cacheShown = "";
  #version = create("p", { class: "small" });

  constructor() {
    super("settings.title", () => emit(this, "dialog-close", null));
    this.dialog.id = "settings-dialog";
    this.#language.addEventListener("change", () =>
      emit(this, "settings-change", {
        language: /** @type {AppState["settings"]["language"]} */ (this.#language.value),
      }),
    );
    this.#theme.addEventListener("change", (event) =>
      emit(this, "settings-change", {
        theme: /** @type {AppState["settings"]["theme"]} */ (/** @type {HTMLInputElement} */ (event.target).value),
      }),
    );
    this.#cache.addEventListener("change", () => {
      const typed = this.#cache.valueAsNumber;
      if (Number.isNaN(typed)) this.#cache.value = this.#cacheShown;
      else emit(this, "settings-change", { cacheGigabytes: Math.min(LARGEST_CACHE, Math.max(0, typed)) });
    });
    this.body.append(
      create(
        "div",
        { class: "setting" },
        create("label", { for: "settings-language", text: "settings.language" }),
        this.#language,
      ),
      create("div", { class: "setting" }, create("span", { text: "settings.theme" }), this.#theme),
      create(
        "div",
        { class: "setting" },
        create(
          "label",
          { for: "settings-cache" },
          create("span", { text: "settings.cache" }),
          create("span", { class: "small about", text: "settings.cache.about" }),
        ),
        this.#cache,
      ),
      create(
        "section",
        {},
        create("h3", { text: "settings.keys" }),
        create(
          "dl",
          { class: "keys" },
          ...shortcuts.flatMap(([keys, name]) => [
            create("dt", {}, ...keys.split(" ").map((key) => create("kbd", {}, key))),
            create("dd", { text: `settings.key.${name}` }),
          ]),
        ),
      ),
      this.#version,
    );
  }

  /** @param {AppState} state */
  update(state) {
    this.#language.value = state.settings.language;
    this.#cacheShown = String(state.settings.cacheGigabytes);
    if (document.activeElement !== this.#cache) this.#cache.value = this.#cacheShown;
    for (const input of this.#theme.querySelectorAll("input")) input.checked = input.value === state.settings.theme;
    setText(this.#version, translate("settings.version", { version: state.version }));
    this.setOpen(state.dialog === "settings");
  }
}

/** @param {string} theme */
function themeChoice(theme) {
  return create(
    "label",
    {},
    create("input", { type: "radio", name: "theme", value: theme, class: "visually-hidden" }),
    create("span", { text: `settings.theme.${theme}` }),
  );
}

customElements.define("settings-dialog", SettingsDialog);
