/** What an answer took: its times, and the tokens that were counted. Knows no DOM. */

/**
 * @typedef {object} Usage
 * @property {number} prompt tokens
 * @property {number} completion tokens
 * @property {boolean} estimated the provider did not count, the server did
 *
 * @typedef {object} AnswerDetails
 * @property {number} [firstMs] until the first token; absent where the answer did not come in pieces
 * @property {number} totalMs
 * @property {Usage} [usage] absent where the answer did not come to its end
 */

/** Takes the times of one answer, from its making on. */
export class Stopwatch {
  #startedAt = performance.now();
  /** @type {number | undefined} */
  #firstMs;

  /** To be called with each piece; the first call counts. */
  markToken() {
    this.#firstMs ??= this.#elapsed();
  }

  /**
   * @param {Usage} [usage]
   * @returns {AnswerDetails}
   */
  details(usage) {
    /** @type {AnswerDetails} */
    const details = { totalMs: this.#elapsed() };
    if (this.#firstMs !== undefined) details.firstMs = this.#firstMs;
    if (usage) details.usage = usage;
    return details;
  }

  #elapsed() {
    return Math.round(performance.now() - this.#startedAt);
  }
}

/**
 * @param {AnswerDetails} details
 * @returns {number | undefined} over the time in which tokens came; of an answer in one piece, over all its time
 */
export function tokensPerSecond({ firstMs = 0, totalMs, usage }) {
  const seconds = (totalMs - firstMs) / 1000;
  return usage && seconds > 0 ? usage.completion / seconds : undefined;
}

/**
 * @param {unknown} value the wire's usage
 * @returns {Usage | undefined}
 */
export function readUsage(value) {
  if (typeof value !== "object" || value === null) return undefined;
  const { prompt_tokens: prompt, completion_tokens: completion, estimated } = /** @type {any} */ (value);
  if (typeof prompt !== "number" || typeof completion !== "number") return undefined;
  return { prompt, completion, estimated: estimated === true };
}
