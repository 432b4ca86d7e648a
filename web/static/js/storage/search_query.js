/** A search query: all of its words must be in one text. */

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

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

  /** @param {Pick<Exchange, "question" | "answer">} exchange */
  isInExchange({ question, answer }) {
    return this.isIn(`${question}\n${answer}`);
  }
}
