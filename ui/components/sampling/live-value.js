// @ts-check

const INTERVAL = 50;

/** Passes on the newest of many values, at most every 50 ms, and always the last. @template Value */
export class LiveValue {
  #timer = 0;
  #sent = 0;

  /** @param {(value: Value) => void} send */
  constructor(send) {
    this.send = send;
  }

  /** @param {Value} value */
  push(value) {
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#sent + INTERVAL - performance.now());
    if (wait === 0) this.#pass(value);
    else this.#timer = window.setTimeout(() => this.#pass(value), wait);
  }

  /** @param {Value} value */
  #pass(value) {
    this.#sent = performance.now();
    this.send(value);
  }
}
