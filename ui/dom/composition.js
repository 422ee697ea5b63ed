// @ts-check
/**
 * The one guard against keys that belong to an input method.
 *
 * No single sign is enough in WebKitGTK: GTK's own input methods report the confirming Enter with
 * `isComposing` false but `keyCode` 229, IBus sends no composition events at all, and others only
 * set the flag between `compositionstart` and `compositionend`.
 */

/** @type {WeakSet<EventTarget>} */
const composing = new WeakSet();

/** Watches a text input from now on. @template {HTMLElement} Input @param {Input} input @returns {Input} */
export function watchComposition(input) {
  input.addEventListener("compositionstart", () => composing.add(input));
  input.addEventListener("compositionend", () => composing.delete(input));
  input.addEventListener("blur", () => composing.delete(input));
  input.addEventListener("input", (event) => {
    if (event instanceof InputEvent && !event.isComposing) composing.delete(input);
  });
  return input;
}

/** Whether this key belongs to an input method and must not send, save or cancel anything. @param {KeyboardEvent} event */
export function isComposing(event) {
  const flagged = event.target !== null && composing.has(event.target);
  return flagged || event.isComposing || event.keyCode === 229;
}
