/** How long to wait before a retry: until the time that the server named, or until the browser is online. */

/** @typedef {import("./failure.js").FailureRecord} FailureRecord */

const SECOND = 1000; // ms

export class RetryWait {
  #failure;

  /** @param {FailureRecord} failure */
  constructor(failure) {
    this.#failure = failure;
  }

  /** The remaining whole seconds. */
  get seconds() {
    const { retryAt = 0, retryAfter = 0 } = this.#failure;
    // limited, in case this machine's clock has been set back
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
   * @param {AbortSignal} signal stops the calls
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
