/** The details of an answer: times, token counts and cost. */

/**
 * @typedef {object} Usage
 * @property {number} prompt tokens
 * @property {number} completion tokens
 * @property {boolean} estimated whether the server estimated the counts, because the provider sent none
 * @property {number} [cost] money; absent if the server has no price
 *
 * @typedef {object} AnswerDetails
 * @property {string} [model] that the reader chose, or else the server's default
 * @property {number} [firstMs] until the first token; absent in block mode
 * @property {number} [totalMs] absent if another application or an earlier page has asked
 * @property {Usage} [usage] absent if the answer is incomplete
 * @property {string} [currency] of the cost
 */

const LEAST_SECONDS = 0.1;

/** Measures the times of one answer, from construction on. */
export class Stopwatch {
  #startedAt = performance.now();
  /** @type {number | undefined} */
  #firstMs;

  /** Call for each chunk; the first call sets the time of the first token. */
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
 * @returns {number | undefined} from the first token to the end; in block mode, over the total time; undefined if the
 *   answer came in one piece, whose time says nothing
 */
export function tokensPerSecond({ firstMs = 0, totalMs = 0, usage }) {
  const seconds = (totalMs - firstMs) / 1000;
  return usage && seconds >= LEAST_SECONDS ? usage.completion / seconds : undefined;
}

/**
 * @param {unknown} value the server's `usage` object
 * @returns {Usage | undefined}
 */
export function readUsage(value) {
  if (typeof value !== "object" || value === null) return undefined;
  const { prompt_tokens: prompt, completion_tokens: completion, estimated, cost } = /** @type {any} */ (value);
  if (typeof prompt !== "number" || typeof completion !== "number") return undefined;
  return { prompt, completion, estimated: estimated === true, ...(typeof cost === "number" && { cost }) };
}

/**
 * @param {unknown} value
 * @returns {value is string} whether it is the form of a currency's code, which `Intl.NumberFormat` accepts
 */
export function isCurrency(value) {
  return typeof value === "string" && /^[A-Z]{3}$/.test(value);
}
