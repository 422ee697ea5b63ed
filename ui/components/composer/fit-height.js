// @ts-check

/** Longer texts are not measured: laying out megabytes for their height would stall typing. */
const MEASURED = 20_000;

/** Makes a text area as high as its text, up to `maximum` pixels. @param {HTMLTextAreaElement} input @param {number} maximum */
export function fitHeight(input, maximum) {
  if (input.textLength > MEASURED) {
    input.style.height = `${maximum}px`;
    return;
  }
  input.style.height = "0";
  input.style.height = `${Math.min(maximum, input.scrollHeight + input.offsetHeight - input.clientHeight)}px`;
}
