// @ts-check
/** @import { Backend } from "./types.d.ts" */

/** The real backend inside the app; a pretended one when the page is served over HTTP for development. @returns {Promise<Backend>} */
export async function chooseBackend() {
  if ("__TAURI_INTERNALS__" in window) {
    const { tauriBackend } = await import("./tauri.js");
    return tauriBackend();
  }
  const { fakeBackend } = await import("./fake.js");
  return fakeBackend(new URLSearchParams(location.search));
}
