// @ts-check
/** @import { Toast } from "../../state/state.d.ts" */
import { create, setChildren } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { icon } from "../../icons/icons.js";

const SHOWN = 8000;

/** Short news at the lower edge, some with a way back. */
export class ToastStack extends HTMLElement {
  /** @type {Map<string, HTMLElement>} */
  #views = new Map();

  constructor() {
    super();
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }

  /** @param {Toast[]} toasts */
  update(toasts) {
    const views = toasts.map(
      (toast) => /** @type {const} */ ([toast.id, this.#views.get(toast.id) ?? this.#build(toast)]),
    );
    this.#views = new Map(views);
    setChildren(
      this,
      views.map(([, view]) => view),
    );
  }

  /** @param {Toast} toast */
  #build({ id, text, action }) {
    const dismiss = () => emit(this, "toast-dismiss", { id });
    const act =
      action &&
      create(
        "button",
        {
          type: "button",
          class: "toast-action",
          "data-testid": "toast-action",
          onclick: () => {
            action.run();
            dismiss();
          },
        },
        action.label,
      );
    const close = create(
      "button",
      { type: "button", class: "icon-button", label: "notice.dismiss", onclick: dismiss },
      icon("close"),
    );
    const view = create("div", { class: "toast", "data-testid": "toast" }, create("span", {}, text), act, close);
    let timer = window.setTimeout(dismiss, SHOWN);
    const hold = () => clearTimeout(timer);
    const go = () => (timer = window.setTimeout(dismiss, SHOWN / 2));
    view.addEventListener("pointerenter", hold);
    view.addEventListener("focusin", hold);
    view.addEventListener("pointerleave", go);
    view.addEventListener("focusout", go);
    return view;
  }
}

customElements.define("toast-stack", ToastStack);
