// @ts-check
/** @import { AppState } from "../state/state.d.ts" */
/** @import { AppShell } from "../components/app-shell/app-shell.js" */
import { isComposing } from "../dom/composition.js";
import { emit } from "../dom/emit.js";

/** Keys that work everywhere in the window. @param {AppShell} shell @param {() => AppState} state */
export function installShortcuts(shell, state) {
  /** @type {Record<string, () => void>} */
  const withControl = {
    n: () => emit(shell, "conversation-new", null),
    k() {
      if (shell.sidebar.hidden) emit(shell, "panel-toggle", { panel: "sidebar" });
      requestAnimationFrame(() => requestAnimationFrame(() => shell.sidebar.focusSearch()));
    },
    o: () => emit(shell, "model-pick", null),
    e: () => emit(shell, "dialog-open", { dialog: "export" }),
    ",": () => emit(shell, "dialog-open", { dialog: "settings" }),
  };

  document.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    const dialogOpen = document.querySelector("dialog[open]") !== null;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      const run = withControl[event.key.toLowerCase()] ?? byPosition(event, withControl);
      if (!run) return;
      event.preventDefault();
      if (!dialogOpen) run();
    } else if (event.key === "F2" && !dialogOpen && !(event.target instanceof HTMLButtonElement)) {
      event.preventDefault();
      shell.sidebar.renameCurrent();
    } else if (
      event.key === "Escape" &&
      !event.defaultPrevented &&
      !dialogOpen &&
      !document.querySelector(":popover-open")
    ) {
      escape(shell, state());
    }
  });
}

/** The same keys on a layout with other letters, such as Russian. @param {KeyboardEvent} event @param {Record<string, () => void>} keys */
function byPosition(event, keys) {
  if (/^[\x20-\x7e]$/.test(event.key)) return undefined;
  return keys[event.code === "Comma" ? "," : event.code.replace(/^Key/, "").toLowerCase()];
}

/** @param {AppShell} shell @param {AppState} state */
function escape(shell, state) {
  if (state.drawer !== null) emit(shell, "drawer-close", null);
  else if (state.editing !== null) emit(shell, "message-edit-end", null);
  else if (state.currentId !== null && state.running.has(state.currentId)) emit(shell, "reply-stop", null);
}
