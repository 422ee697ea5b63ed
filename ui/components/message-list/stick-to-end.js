// @ts-check

/** How near to its end a reader counts as being at it, in pixels. */
const NEAR = 48;

/**
 * Keeps a scroller at its end while its content grows, as long as the reader is there.
 *
 * WebKit has no scroll anchoring. A scroll event may arrive after the content has grown further, so
 * only moving upwards counts as leaving the end.
 */
export class StickToEnd {
  atEnd = true;
  /** While set, growing content moves nothing. */
  paused = false;
  #lastTop = 0;

  /** @param {HTMLElement} scroller @param {HTMLElement} content @param {() => void} onChange */
  constructor(scroller, content, onChange) {
    this.scroller = scroller;
    this.onChange = onChange;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.follow());
    observer.observe(content);
    observer.observe(scroller);
  }

  /** Goes to the end if the reader was there. */
  follow() {
    if (this.atEnd && !this.paused) this.toEnd();
    else this.#scrolled();
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#lastTop = this.scroller.scrollTop;
    this.#set(true);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight <= NEAR;
    if (near) this.#set(true);
    else if (scrollTop < this.#lastTop - 1) this.#set(false);
    this.#lastTop = scrollTop;
  }

  /** @param {boolean} atEnd */
  #set(atEnd) {
    if (atEnd === this.atEnd) return;
    this.atEnd = atEnd;
    this.onChange();
  }
}
