// @ts-check
/** @import { Commands } from "../app/commands.d.ts" */

/**
 * Sends a command up the tree; `app/` listens and does it.
 * @template {keyof Commands} Name
 * @param {Element} element
 * @param {Name} name
 * @param {Commands[Name]} detail
 */
export function emit(element, name, detail) {
  element.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}
