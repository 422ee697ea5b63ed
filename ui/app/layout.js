// @ts-check
/** @import { Settings } from "../backend/types.d.ts" */

const sidebarFits = matchMedia("(min-width: 760px)");
const inspectorFits = matchMedia("(min-width: 1080px)");

/** Which side panels the window is wide enough for. */
export function room() {
  return { sidebarFits: sidebarFits.matches, inspectorFits: inspectorFits.matches };
}

/** @param {() => void} listener */
export function onRoomChange(listener) {
  sidebarFits.addEventListener("change", listener);
  inspectorFits.addEventListener("change", listener);
}

/** @param {Settings["theme"]} theme */
export function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
}
