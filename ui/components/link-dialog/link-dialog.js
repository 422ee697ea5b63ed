// @ts-check
import { create, setShown, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";
import { AppDialog } from "../dialog/dialog.js";

const opened = new Set(["http:", "https:", "mailto:"]);

/** Asks before a link leaves the app, with the whole address to read. */
export class LinkDialog extends AppDialog {
  #text = create("p");
  #address = create("p", { class: "link-address", id: "link-address" });
  #open = create("button", {
    type: "button",
    id: "link-open",
    autofocus: true,
    class: "action",
    text: "link.open",
    onclick: () => this.#url && emit(this, "link-open", { url: this.#url }),
  });
  /** @type {string | null} */
  #url = null;

  constructor() {
    super("link.title", () => emit(this, "link-dismiss", null));
    this.dialog.id = "link-dialog";
    const copy = create("button", {
      type: "button",
      id: "link-copy",
      class: "plain",
      text: "link.copy",
      onclick: () => this.#url && emit(this, "text-copy", { text: this.#url }),
    });
    const dismiss = create("button", {
      type: "button",
      id: "link-dismiss",
      class: "quiet push",
      text: "message.cancel",
      onclick: () => emit(this, "link-dismiss", null),
    });
    this.body.append(this.#text, this.#address, create("div", { class: "dialog-actions" }, this.#open, copy, dismiss));
  }

  /** @param {string | null} url */
  update(url) {
    if (url !== null) {
      this.#url = url;
      const parsed = URL.canParse(url) ? new URL(url) : null;
      const allowed = parsed !== null && opened.has(parsed.protocol);
      setShown(this.#open, allowed);
      setText(this.#text, translate(allowed ? "link.text" : "link.refused"));
      this.#address.replaceChildren(...emphasised(parsed?.href ?? url, parsed?.host ?? ""));
    }
    this.setOpen(url !== null);
  }
}

/** The address as text, its host standing out. @param {string} address @param {string} host @returns {(Node | string)[]} */
function emphasised(address, host) {
  const start = address.indexOf("//") + 2;
  if (host === "" || start < 2) return [address];
  // What stands before an "@" is a name that only looks like a host.
  const authority = address.slice(start).split(/[/?#]/, 1)[0];
  const at = start + authority.lastIndexOf("@") + 1;
  return [address.slice(0, at), create("strong", {}, host), address.slice(at + host.length)];
}

customElements.define("link-dialog", LinkDialog);
