// @ts-check
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setAttribute, setShown } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { relocalize } from "../../locales/localize.js";
import { currentLanguage } from "../../locales/translate.js";
import { modelPath } from "../../state/model.js";
import { MessageComposer } from "../composer/composer.js";
import { ConversationList } from "../conversation-list/conversation-list.js";
import { ExportDialog } from "../export-dialog/export-dialog.js";
import { InspectorPanel } from "../inspector/inspector.js";
import { LinkDialog } from "../link-dialog/link-dialog.js";
import { LoadDialog } from "../load-dialog/load-dialog.js";
import { MessageList } from "../message-list/message-list.js";
import { ModelBar } from "../model-bar/model-bar.js";
import { NoticeBar } from "../notice/notice-bar.js";
import { NoticeView } from "../notice/notice.js";
import { SettingsDialog } from "../settings-dialog/settings-dialog.js";
import { ToastStack } from "../toast/toast-stack.js";
import { ConversationStart } from "../welcome/conversation-start.js";
import { WelcomeView } from "../welcome/welcome.js";

/** @typedef {{ sidebarFits: boolean; inspectorFits: boolean }} Room which side panels have their own place */

/** The window: three parts, and the dialogs above them. */
export class AppShell extends HTMLElement {
  sidebar = new ConversationList();
  #bar = new ModelBar();
  #notices = new NoticeBar();
  #welcome = new WelcomeView();
  #start = new ConversationStart();
  #messages = new MessageList();
  #failure = new NoticeView();
  composer = new MessageComposer();
  #inspector = new InspectorPanel();
  #loadDialog = new LoadDialog();
  #settings = new SettingsDialog();
  #export = new ExportDialog();
  #link = new LinkDialog();
  #toasts = new ToastStack();
  #shade = create("div", { class: "shade", hidden: true, onclick: () => emit(this, "drawer-close", null) });
  #main = create(
    "main",
    { id: "main" },
    this.#bar,
    this.#notices,
    create("div", { class: "middle" }, this.#welcome, this.#start, this.#messages),
    create("footer", {}, this.#failure, this.composer),
  );
  #language = "";
  #drawer = "";

  constructor() {
    super();
    this.#failure.id = "model-failure";
    this.append(
      this.sidebar,
      this.#main,
      this.#inspector,
      this.#shade,
      this.#toasts,
      this.#loadDialog,
      this.#settings,
      this.#export,
      this.#link,
    );
  }

  /** @param {AppState} state @param {Room} room */
  update(state, room) {
    if (this.#language !== currentLanguage()) {
      this.#language = currentLanguage();
      relocalize(this);
    }
    const shown = this.#updatePanels(state, room);
    this.sidebar.update(state);
    this.#bar.update(state, shown);
    this.#updateFailure(state);
    this.#updateMiddle(state);
    this.composer.update(state);
    this.#inspector.update(state);
    const { model } = state;
    this.#loadDialog.update(state.loadCard, state.loadAnswer, model.state === "ready" ? model.model.name : null);
    this.#settings.update(state);
    this.#export.update(state);
    this.#link.update(state.link);
    this.#toasts.update(state.toasts);
  }

  /** @param {AppState} state @param {Room} room @returns {{ sidebar: boolean; inspector: boolean }} */
  #updatePanels(state, room) {
    const sidebar = room.sidebarFits ? state.settings.sidebarOpen : state.drawer === "sidebar";
    const inspector = room.inspectorFits ? state.settings.inspectorOpen : state.drawer === "inspector";
    setShown(this.sidebar, sidebar);
    setShown(this.#inspector, inspector);
    this.sidebar.classList.toggle("drawer", !room.sidebarFits);
    this.#inspector.classList.toggle("drawer", !room.inspectorFits);
    const drawer = !room.sidebarFits && sidebar ? "sidebar" : !room.inspectorFits && inspector ? "inspector" : "";
    setShown(this.#shade, drawer !== "");
    this.#main.inert = drawer !== "";
    if (drawer !== this.#drawer) {
      if (drawer === "sidebar") this.sidebar.querySelector("button")?.focus();
      else if (drawer === "inspector") this.#inspector.querySelector("button")?.focus();
      else /** @type {HTMLElement | null} */ (this.querySelector(`#toggle-${this.#drawer}`))?.focus();
      this.#drawer = drawer;
    }
    return { sidebar, inspector };
  }

  /** @param {AppState} state */
  #updateFailure(state) {
    const failed = state.model.state === "failed" && state.model.error !== state.dismissedFailure ? state.model : null;
    // The composer says it when a message could not be sent for it.
    const { unsent } = state;
    const saidBelow = unsent?.conversationId === state.currentId && unsent.error.code === failed?.error.code;
    setShown(this.#failure, failed !== null && !saidBelow);
    // A call that failed with the model says the same a second time.
    this.#notices.update(
      state.notices.filter((notice) => notice.error.code !== failed?.error.code),
      modelPath(state),
    );
    if (!failed) return;
    const kind = failed.error.code === "load_cancelled" ? "info" : "error";
    this.#failure.showError(failed.error, kind, {
      path: failed.path,
      onDismiss: () => emit(this, "failure-dismiss", null),
    });
  }

  /** @param {AppState} state */
  #updateMiddle(state) {
    const empty = !state.conversation || state.conversation.messages.length === 0;
    const firstRun = state.conversations.length === 0 && state.currentId === null;
    const opening = state.currentId !== null && state.conversation === null;
    setShown(this.#welcome, empty && firstRun);
    setShown(this.#start, empty && !firstRun && !opening);
    setShown(this.#messages, !empty);
    setAttribute(this, "data-view", empty ? (firstRun ? "welcome" : "start") : "messages");
    if (!this.#welcome.hidden) this.#welcome.update(state);
    if (!this.#start.hidden) this.#start.update(state);
    this.#messages.update(state);
  }
}

customElements.define("app-shell", AppShell);
