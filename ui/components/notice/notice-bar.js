// @ts-check
/** @import { Notice } from "../../backend/types.d.ts" */
import { setChildren, setShown } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { NoticeView } from "./notice.js";

/** Notices below the header, until the person dismisses them. */
export class NoticeBar extends HTMLElement {
  /** @type {Map<string, NoticeView>} */
  #views = new Map();

  /** @param {Notice[]} notices @param {string | null} path of the model that buttons act on */
  update(notices, path) {
    setShown(this, notices.length > 0);
    const views = notices.map(({ id, kind, error }) => {
      const view = this.#views.get(id) ?? new NoticeView();
      view.dataset.testid = "notice";
      view.showError(error, kind, { path, onDismiss: () => emit(this, "notice-dismiss", { id }) });
      return /** @type {const} */ ([id, view]);
    });
    this.#views = new Map(views);
    setChildren(
      this,
      views.map(([, view]) => view),
    );
  }
}

customElements.define("notice-bar", NoticeBar);
