/** The time until trying again may help: until the moment that the server named, or until the browser is online again. */

/** @typedef {import("./failure.js").FailureRecord} FailureRecord */

const SECOND = 1000; // ms

export class RetryWait {
  #failure;

  /** @param {FailureRecord} failure */
  constructor(failure) {
    this.#failure = failure;
  }

  /** Whole seconds that are left to count down. */
  get seconds() {
    const { retryAt = 0, retryAfter = 0 } = this.#failure;
    // no longer than the server said, also where this machine's clock has been set back
    return Math.min(retryAfter, Math.max(0, Math.ceil((retryAt - Date.now()) / SECOND)));
  }

  get isOffline() {
    return this.#failure.code === "offline" && !navigator.onLine;
  }

  get isOver() {
    return this.seconds === 0 && !this.isOffline;
  }

  /**
   * @param {() => void} changed called each second of a countdown, and when the wait is over
   * @param {AbortSignal} signal ends it
   */
  watch(changed, signal) {
    if (this.isOffline) addEventListener("online", changed, { once: true, signal });
    if (this.seconds === 0) return;
    const timer = setInterval(() => {
      if (this.seconds === 0) clearInterval(timer);
      changed();
    }, SECOND);
    signal.addEventListener("abort", () => clearInterval(timer));
  }
}
