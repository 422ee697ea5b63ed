// @ts-check
/** @import { SamplingValue } from "../../backend/types.d.ts" */
/** @import { SamplingMark } from "../../state/state.d.ts" */
import { isComposing, watchComposition } from "../../dom/composition.js";
import { create, setText } from "../../dom/create.js";
import { emit } from "../../dom/emit.js";
import { translate } from "../../locales/translate.js";

const MAXIMUM = 4_294_967_294;

/** The seed: a number, or nothing for a random one. */
export class SamplingSeed extends HTMLElement {
  #from = create("span", { class: "from" });
  #input = watchComposition(
    create("input", {
      type: "text",
      id: "sampling-seed",
      class: "field numbers",
      inputmode: "numeric",
      placeholder: "sampling.random",
      tooltip: "sampling.seed.about",
      autocomplete: "off",
    }),
  );

  constructor() {
    super();
    this.dataset.sampling = "seed";
    this.append(
      create(
        "div",
        { class: "slider-head" },
        create("label", { for: "sampling-seed", text: "sampling.seed", tooltip: "sampling.seed.about" }),
        this.#from,
      ),
      this.#input,
    );
    this.#input.addEventListener("change", () => this.#commit());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !isComposing(event)) this.#commit();
    });
  }

  #commit() {
    const digits = this.#input.value.normalize("NFKC").replace(/\D/g, "");
    const value = digits === "" ? undefined : Math.min(MAXIMUM, Number(digits));
    this.#input.value = value === undefined ? "" : String(value);
    emit(this, "sampling-change", { name: "seed", value });
  }

  /** @param {SamplingValue} setting @param {SamplingMark | undefined} mark */
  update(setting, mark) {
    if (document.activeElement !== this.#input) this.#input.value = setting.value === null ? "" : String(setting.value);
    setText(
      this.#from,
      mark?.kind === "pending" ? translate("sampling.pending") : translate(`sampling.from.${setting.source}`),
    );
    this.#from.classList.toggle("live", mark !== undefined);
  }
}

customElements.define("sampling-seed", SamplingSeed);
