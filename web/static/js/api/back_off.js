/** When to try again what fails because the server cannot be reached: soon at first, then less often, and not for ever. */

const FIRST_MS = 500;
const MOST_MS = 10_000;
const GIVE_UP_MS = 120_000; // of failed attempts
const LONGEST_ATTEMPT_MS = 60_000; // what takes longer was a device asleep
const MOST_RETRY_AFTER = 60; // seconds

export class BackOff {
  #delay = FIRST_MS;
  #spent = 0;
  #since = Date.now();

  /** Call when the server has answered. */
  reset() {
    this.#delay = FIRST_MS;
    this.#spent = 0;
    this.#since = Date.now();
  }

  /**
   * Call after each failed attempt. While the browser is offline, no attempt counts.
   * @param {number} [retryAfter] seconds that the server named
   * @returns {number | null} milliseconds until the next attempt; null to give up
   */
  next(retryAfter = 0) {
    const now = Date.now();
    const elapsed = Math.min(now - this.#since, LONGEST_ATTEMPT_MS);
    this.#since = now;
    if (!navigator.onLine) return MOST_MS; // a server on this machine can be reached all the same
    this.#spent += elapsed;
    if (this.#spent >= GIVE_UP_MS) return null;
    const delay = this.#delay * (0.5 + Math.random() / 2); // many pages lose the same server at once
    this.#delay = Math.min(2 * this.#delay, MOST_MS);
    return Math.max(delay, 1000 * Math.min(retryAfter, MOST_RETRY_AFTER));
  }
}
