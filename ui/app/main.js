// @ts-check
/** Boot: the backend, the state, the window, and what ties them together. */
/** @import { AppContext, Handlers } from "./context.d.ts" */
/** @import { Backend, BackendEvent, UiError } from "../backend/types.d.ts" */
import { chooseBackend } from "../backend/backend.js";
import { AppShell } from "../components/app-shell/app-shell.js";
import { chooseLanguage, useLanguage } from "../locales/translate.js";
import { addNotice, applyEvents } from "../state/events.js";
import { initialState } from "../state/initial.js";
import { Store } from "../state/store.js";
import { conversationCommands, ensureConversation, openConversation } from "./conversation-commands.js";
import { localError } from "./error-text.js";
import { applyTheme, onRoomChange, room } from "./layout.js";
import { modelCommands } from "./model-commands.js";
import { replyCommands } from "./reply-commands.js";
import { forgetAppliedMarks, samplingCommands } from "./sampling-commands.js";
import { installShortcuts } from "./shortcuts.js";
import { windowCommands } from "./window-commands.js";

const store = new Store(initialState());
let ids = 0;

/** @param {unknown} error @returns {UiError} */
function toUiError(error) {
  if (typeof error === "object" && error !== null && "code" in error) return /** @type {UiError} */ (error);
  console.error(error);
  return { ...localError("unexpected", String(error)), report: error instanceof Error ? (error.stack ?? null) : null };
}

/** @param {Backend} backend @param {AppShell} shell @returns {AppContext} */
function makeContext(backend, shell) {
  return {
    backend,
    store,
    report(error) {
      const notice = { id: `window-${(ids += 1)}`, kind: /** @type {const} */ ("error"), error: toUiError(error) };
      store.change((state) => addNotice(state, notice));
    },
    toast(text, action = null) {
      store.change(
        (state) => (state.toasts = [...state.toasts.slice(-2), { id: `toast-${(ids += 1)}`, text, action }]),
      );
    },
    focusComposer: () => shell.composer.focusInput(),
  };
}

/** Runs each command that bubbles up; what it rejects with becomes a notice. @param {AppContext} context */
function listen(context) {
  /** @type {Handlers} */
  const handlers = {
    ...conversationCommands(context),
    ...replyCommands(context),
    ...samplingCommands(context),
    ...modelCommands(context),
    ...windowCommands(context),
  };
  for (const [name, handler] of Object.entries(handlers)) {
    document.addEventListener(name, async (event) => {
      try {
        await /** @type {(detail: any) => void | Promise<void>} */ (handler)(/** @type {CustomEvent} */ (event).detail);
      } catch (error) {
        context.report(error);
      }
    });
  }
}

/** @param {AppContext} context @param {BackendEvent[]} events */
function receive(context, events) {
  store.change((state) => applyEvents(state, events));
  if (events.some((event) => event.type === "samplingApplied")) forgetAppliedMarks(context);
  const loaded = events.some((event) => event.type === "modelState" && event.model.state === "ready");
  if (loaded && store.state.currentId === null && store.state.conversations.length === 0)
    void ensureConversation(context).catch(context.report);
}

/** The engine's own menu is of use with text only; elsewhere it offers to reload the window. @param {Event} event */
function keepTextMenus(event) {
  const onText = event.target instanceof Element && event.target.closest("input, textarea") !== null;
  if (!onText && String(getSelection()) === "") event.preventDefault();
}

async function boot() {
  const backend = await chooseBackend();
  await useLanguage(chooseLanguage("auto"));
  const shell = new AppShell();
  const context = makeContext(backend, shell);
  store.subscribe((state) => shell.update(state, room()));
  onRoomChange(() => store.change((state) => (state.drawer = null)));
  listen(context);
  installShortcuts(shell, () => store.state);
  // A file dropped beside its place would replace the window by the file.
  for (const name of /** @type {const} */ (["dragover", "drop"])) {
    document.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  document.addEventListener("contextmenu", keepTextMenus);
  try {
    // What comes before the start state is newer than it or the same; it is applied after it.
    /** @type {BackendEvent[] | null} */
    let early = [];
    await backend.subscribe((events) => {
      if (early) early.push(...events);
      else receive(context, events);
    });
    const start = await backend.start();
    const language = chooseLanguage(start.settings.language);
    await useLanguage(language);
    applyTheme(start.settings.theme);
    store.change((state) => Object.assign(state, start, { language, notices: [...start.notices, ...state.notices] }));
    receive(context, early);
    early = null;
    const newest = store.state.conversations[0];
    if (newest) await openConversation(context, newest.id);
    else if (start.model.state === "ready") await ensureConversation(context);
  } catch (error) {
    context.report(error);
  }
  document.body.append(shell);
  store.flush();
  shell.composer.focusInput();
  document.documentElement.dataset.ready = "true";
}

void boot();
