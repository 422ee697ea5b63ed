// @ts-check
/** Ties fixed texts of elements to locale keys, so that a change of language finds them again. */
import { translate } from "./translate.js";

/** @typedef {"text" | "label" | "tooltip" | "placeholder"} Slot */

/** @type {Record<Slot, (element: Element, text: string) => void>} */
const writers = {
  text: (element, text) => (element.textContent = text),
  label: (element, text) => element.setAttribute("aria-label", text),
  tooltip: (element, text) => element.setAttribute("title", text),
  placeholder: (element, text) => element.setAttribute("placeholder", text),
};

/** @param {string} name @returns {name is Slot} */
export function isSlot(name) {
  return name in writers;
}

/** @param {Element} element @param {Slot} slot @param {string} key */
export function localize(element, slot, key) {
  const attribute = `data-${slot}-key`;
  if (element.getAttribute(attribute) === key) return;
  element.setAttribute(attribute, key);
  writers[slot](element, translate(key));
}

/** Writes every tied text below `root` again, in the language of now. @param {ParentNode} root */
export function relocalize(root) {
  for (const slot of /** @type {Slot[]} */ (Object.keys(writers))) {
    for (const element of root.querySelectorAll(`[data-${slot}-key]`)) {
      writers[slot](element, translate(element.getAttribute(`data-${slot}-key`) ?? ""));
    }
  }
}
