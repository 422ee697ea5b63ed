// @ts-check
/** What every dialog of the app shares: the standard element, a title and a way out. */
import { create } from "../../dom/create.js";
import { icon } from "../../icons/icons.js";

export class AppDialog extends HTMLElement {
  /** @type {HTMLDialogElement} */
  dialog;

  /** @param {string} titleKey @param {() => void} onDismiss runs when the person leaves it by Esc, × or the ground behind it */
  constructor(titleKey, onDismiss) {
    super();
    const titleId = `title-of-${titleKey.replace(/\W/g, "-")}`;
    const title = create("h2", { id: titleId, text: titleKey });
    this.body = create("div", { class: "dialog-body" });
    const close = create(
      "button",
      { type: "button", class: "icon-button", label: "dialog.close", tooltip: "dialog.close", onclick: onDismiss },
      icon("close"),
    );
    this.dialog = create(
      "dialog",
      { class: "dialog", "aria-labelledby": titleId },
      create("div", { class: "dialog-head" }, title, close),
      this.body,
    );
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      onDismiss();
    });
    // A second Esc closes a dialog whatever its page says.
    this.dialog.addEventListener("close", onDismiss);
    this.dialog.addEventListener("pointerdown", (event) => {
      if (event.target === this.dialog) onDismiss();
    });
    this.append(this.dialog);
  }

  /** @param {boolean} open */
  setOpen(open) {
    if (open === this.dialog.open) return;
    if (open) this.dialog.showModal();
    else this.dialog.close();
  }
}
