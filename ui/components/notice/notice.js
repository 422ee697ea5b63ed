// @ts-check
/** @import { UiError } from "../../backend/types.d.ts" */
import { errorText, remedyFor } from "../../app/error-text.js";
import { create } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";
import { translate } from "../../locales/translate.js";

/**
 * @typedef {object} NoticeOptions
 * @property {string | null} [path] the model file that the button acts on
 * @property {(() => void) | null} [onDismiss]
 * @property {boolean} [inside] part of a message: short, and the button that mends it stands elsewhere
 */

/** What happened, what is safe, and one button that mends it. */
export class NoticeView extends HTMLElement {
  /** @type {unknown[]} */
  #drawn = [];

  /** @param {UiError} error @param {"info" | "warning" | "error"} kind @param {NoticeOptions} [options] */
  showError(error, kind, options = {}) {
    const wanted = [error, kind, options.path, translate("dialog.close")];
    if (wanted.every((value, index) => value === this.#drawn[index])) return;
    this.#drawn = wanted;
    this.className = options.inside ? `notice ${kind} inside` : `notice ${kind}`;
    this.setAttribute("role", options.inside ? "note" : kind === "error" ? "alert" : "status");
    this.dataset.code = error.code;
    const { title, body, detail } = errorText(error);
    const buttons = this.#buttons(error, options);
    this.replaceChildren(
      create("b", {}, title),
      ...(body && !(options.inside && error.code.startsWith("engine_")) ? [create("p", {}, body)] : []),
      ...(detail ? [create("p", { class: "small notice-detail" }, detail)] : []),
      ...(buttons.length > 0 ? [create("div", { class: "dialog-actions" }, ...buttons)] : []),
    );
    const { onDismiss } = options;
    if (onDismiss)
      this.append(
        create(
          "button",
          {
            type: "button",
            class: "icon-button notice-close",
            label: "notice.dismiss",
            tooltip: "notice.dismiss",
            onclick: onDismiss,
          },
          icon("close"),
        ),
      );
  }

  /** One quiet line, for what is no error. @param {string} text */
  showLine(text) {
    this.#drawn = [];
    this.className = "notice-line small";
    this.setAttribute("role", "note");
    this.replaceChildren(text);
  }

  /** @param {UiError} error @param {NoticeOptions} options */
  #buttons(error, { path, inside }) {
    const buttons = [];
    const remedy = inside ? null : remedyFor(error);
    if (remedy === "model-pick")
      buttons.push(
        this.#button("action", "notice.openModel", "notice-open-model", () => emit(this, "model-pick", null)),
      );
    if (path && remedy === "model-load-again")
      buttons.push(
        this.#button("action", "notice.loadAgain", "notice-load-again", () => emit(this, "model-load-again", { path })),
      );
    if (path && (remedy === "model-configure" || remedy === "model-load-again")) {
      const look = remedy === "model-configure" ? "action" : "plain";
      buttons.push(
        this.#button(look, "notice.configure", "notice-configure", () => emit(this, "model-configure", { path })),
      );
    }
    const { report } = error;
    if (report)
      buttons.push(
        this.#button("quiet push", "notice.copyReport", "notice-copy-report", () =>
          emit(this, "text-copy", { text: report }),
        ),
      );
    return buttons;
  }

  /** @param {string} look @param {string} key @param {string} testId @param {() => void} run */
  #button(look, key, testId, run) {
    return create("button", { type: "button", class: look, text: key, "data-testid": testId, onclick: run });
  }
}

customElements.define("notice-view", NoticeView);
