// @ts-check

/**
 * Holds the state and tells listeners that it changed, at most once per animation frame.
 * @template State
 */
export class Store {
  /** @type {((state: State) => void)[]} */
  #listeners = [];
  #scheduled = false;

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  /** Changes the state in place. @param {(state: State) => void} mutate */
  change(mutate) {
    mutate(this.state);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.flush());
  }

  /** Tells the listeners now, for what must be on the page before the next line runs. */
  flush() {
    this.#scheduled = false;
    for (const listener of this.#listeners) listener(this.state);
  }

  /** @param {(state: State) => void} listener */
  subscribe(listener) {
    this.#listeners.push(listener);
  }
}
