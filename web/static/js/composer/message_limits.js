/** The limits of a message: its characters, and the bytes of the request with it. */

import { texts, tooLong } from "../i18n/language.js";

const OTHER_BYTES = 1000; // of a request besides its message
const MAX_BYTES_PER_CHAR = 6; // in JSON: \u0000

export class MessageLimits {
  #maxBytes;

  /**
   * @param {number} [maxChars]
   * @param {number} [maxBytes] of the whole request
   */
  constructor(maxChars = Infinity, maxBytes = Infinity) {
    this.maxChars = maxChars;
    this.#maxBytes = maxBytes - OTHER_BYTES;
  }

  /** @param {string} message @returns {string} which limit it exceeds, as a sentence; empty for none */
  problemOf(message) {
    const problem = tooLong(message, this.maxChars);
    if (problem) return problem;
    const mayBeTooLarge = message.length * MAX_BYTES_PER_CHAR > this.#maxBytes;
    return mayBeTooLarge && new Blob([JSON.stringify(message)]).size > this.#maxBytes ? texts.failures.too_large : "";
  }
}
