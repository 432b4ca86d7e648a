/** A search query: all of its words must be in one text. */

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} SearchHit
 * @property {string} exchange its id
 * @property {number} created of the exchange, in milliseconds since 1970
 * @property {string[]} words lower-case
 * @property {string} snippet the text around the first of the words
 */

const BEFORE = 24; // characters of a snippet before the word
const LENGTH = 90;

export class SearchQuery {
  #words;

  /** @param {string} text */
  constructor(text) {
    this.#words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  }

  /** @param {string} text */
  isIn(text) {
    const lower = text.toLocaleLowerCase();
    return this.#words.every((word) => lower.includes(word));
  }

  /**
   * @param {Exchange} exchange
   * @returns {SearchHit | null}
   */
  hitIn({ id, created, question, answer }) {
    const text = `${question}\n${answer}`;
    if (!this.isIn(text)) return null;
    const lower = text.toLocaleLowerCase();
    const at = Math.min(...this.#words.map((word) => lower.indexOf(word)));
    const from = at <= BEFORE ? 0 : text.indexOf(" ", at - BEFORE) + 1 || at - BEFORE;
    const start = from > at ? at - BEFORE : from;
    const cut = text.slice(start, start + LENGTH).replace(/[\s#*`>|]+/g, " ").trim();
    const snippet = `${start > 0 ? "…" : ""}${cut}${start + LENGTH < text.length ? "…" : ""}`;
    return { exchange: id, created, words: this.#words, snippet };
  }
}
