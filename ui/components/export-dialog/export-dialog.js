// @ts-check
/** @import { ExportFormat } from "../../backend/types.d.ts" */
/** @import { AppState } from "../../state/state.d.ts" */
import { create, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";
import { AppDialog } from "../dialog/dialog.js";

/** @type {ExportFormat[]} */
const formats = ["markdown", "text", "json"];

/** In which format the conversation is written to a file. */
export class ExportDialog extends AppDialog {
  #title = create("p", { class: "small" });

  constructor() {
    super("export.title", () => emit(this, "dialog-close", null));
    this.dialog.id = "export-dialog";
    const choices = formats.map((format) =>
      create(
        "button",
        {
          type: "button",
          class: "way",
          "data-format": format,
          autofocus: format === "markdown",
          onclick: () => emit(this, "conversation-export", { format }),
        },
        create("b", { text: `export.${format}` }),
        create("span", { class: "small", text: `export.${format}.about` }),
      ),
    );
    this.body.append(this.#title, create("div", { class: "export-formats" }, ...choices));
  }

  /** @param {AppState} state */
  update(state) {
    setText(this.#title, state.conversation?.title || translate("list.untitled"));
    this.setOpen(state.dialog === "export");
  }
}

customElements.define("export-dialog", ExportDialog);
