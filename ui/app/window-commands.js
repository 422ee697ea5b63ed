// @ts-check
/** @import { AppContext, Handlers } from "./context.d.ts" */
import { copyText } from "../dom/clipboard.js";
import { chooseLanguage, currentLanguage, translate, useLanguage } from "../locales/translate.js";
import { applyTheme, room } from "./layout.js";

/** @param {AppContext} context @returns {Handlers} */
export function windowCommands(context) {
  const { backend, store } = context;

  return {
    async "settings-change"(patch) {
      const settings = { ...store.state.settings, ...patch };
      applyTheme(settings.theme);
      store.change((state) => (state.settings = settings));
      const language = chooseLanguage(settings.language);
      if (language !== currentLanguage()) {
        await useLanguage(language);
        store.change((state) => (state.language = language));
      }
      await backend.saveSettings(settings);
      // The backend names the characters in the interface's language.
      if (patch.language !== undefined) {
        const { characters } = await backend.start();
        store.change((state) => (state.characters = characters));
      }
    },

    async "panel-toggle"({ panel }) {
      const fits = panel === "sidebar" ? room().sidebarFits : room().inspectorFits;
      if (!fits) {
        store.change((state) => (state.drawer = state.drawer === panel ? null : panel));
        return;
      }
      const key = panel === "sidebar" ? "sidebarOpen" : "inspectorOpen";
      const settings = { ...store.state.settings, [key]: !store.state.settings[key] };
      store.change((state) => (state.settings = settings));
      await backend.saveSettings(settings);
    },

    "drawer-close": () => store.change((state) => (state.drawer = null)),
    "dialog-open"({ dialog }) {
      if (dialog === "export" && store.state.currentId === null) return context.toast(translate("export.nothing"));
      store.change((state) => {
        state.dialog = dialog;
        state.drawer = null;
      });
    },
    "dialog-close": () => store.change((state) => (state.dialog = null)),

    "link-ask": ({ url }) => store.change((state) => (state.link = url)),
    "link-dismiss": () => store.change((state) => (state.link = null)),
    async "link-open"({ url }) {
      store.change((state) => (state.link = null));
      await backend.openLink(url);
    },

    "notice-dismiss": ({ id }) =>
      store.change((state) => (state.notices = state.notices.filter((each) => each.id !== id))),
    "failure-dismiss": () =>
      store.change((state) => (state.dismissedFailure = state.model.state === "failed" ? state.model.error : null)),
    "toast-dismiss": ({ id }) =>
      store.change((state) => (state.toasts = state.toasts.filter((each) => each.id !== id))),
    async "text-copy"({ text }) {
      if (await copyText(text)) context.toast(translate("code.copied"));
    },
  };
}
