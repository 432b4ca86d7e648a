/** A search query: all of its words must be in one text. Where they follow each other as in the query is the better place. */

import { characterStart, stripMarkdown, titleFrom } from "../conversation/title.js";

/** @typedef {import("./conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} SearchHit
 * @property {string} exchange its id
 * @property {number} created of the exchange, in milliseconds since 1970
 * @property {string[]} words lower-case
 * @property {boolean} isPhrase whether they follow each other
 * @property {boolean} isInAnswer whether the snippet is of the answer
 * @property {string} snippet the text around the first of the words, without Markdown; empty if the title is all of it
 */

const AROUND = 600; // characters before and after the word from which a snippet is made: bounds the work
const BEFORE = 24; // characters of a snippet before the word
const LENGTH = 90;

export class SearchQuery {
  #words;
  #phrase;

  /** @param {string} text */
  constructor(text) {
    this.#words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    this.#phrase = this.#words.join(" ");
  }

  /**
   * @param {ConversationStore} store
   * @returns {Promise<Map<string, SearchHit | null>>} the ids of the conversations with all words of the query in one
   *   exchange, with the first of these exchanges that has them as a phrase, or else at all; null if the words are in the title
   */
  async findIn(store) {
    /** @type {Map<string, SearchHit | null>} */
    const hits = new Map();
    await store.visit((exchange) => {
      const hit = this.#hitIn(exchange, store.record(exchange.conversation)?.title);
      if (hit && isBetter(hit, hits.get(exchange.conversation))) hits.set(exchange.conversation, hit);
    });
    for (const { id, title } of store.list) if (!hits.has(id) && this.#isIn(title)) hits.set(id, null);
    return hits;
  }

  /** @param {string} text */
  #isIn(text) {
    const lower = text.toLocaleLowerCase();
    return this.#words.every((word) => lower.includes(word));
  }

  /** @param {string} text */
  #isPhraseIn(text) {
    return text.toLocaleLowerCase().includes(this.#phrase);
  }

  /**
   * @param {Exchange} exchange
   * @param {string} [title] of its conversation, which is shown above the snippet
   * @returns {SearchHit | null}
   */
  #hitIn({ id, created, question, answer }, title) {
    const text = `${question}\n${answer}`;
    if (!this.#isIn(text)) return null;
    const isTitle = titleFrom(question) === title;
    const isPhrase = this.#isPhraseIn(text);
    const quotes = isPhrase ? this.#isPhraseIn(answer) : this.#isIn(answer);
    const isInAnswer = quotes || (isTitle && this.#placeIn(answer) >= 0);
    let snippet = "";
    if (isInAnswer) snippet = this.#snippet(answer, this.#placeIn(answer));
    else if (!isTitle || stripMarkdown(question) !== title) snippet = this.#snippet(text, this.#placeIn(text));
    return { exchange: id, created, words: this.#words, isPhrase, isInAnswer, snippet };
  }

  /**
   * @param {string} text
   * @param {number} at of the first of the words
   */
  #snippet(text, at) {
    const begin = Math.max(0, at - AROUND);
    const source = text.slice(begin, at + AROUND);
    const plain = source.split("\n").map(plainLine).filter(Boolean).join(" · ");
    const place = this.#placeIn(plain);
    // otherwise it stands in what was removed, such as an address
    const [shown, word] = place >= 0 ? [plain, place] : [source.replace(/\s/g, " "), at - begin];
    const from = word <= BEFORE ? 0 : shown.indexOf(" ", word - BEFORE) + 1 || word - BEFORE;
    const start = characterStart(shown, from > word ? word - BEFORE : from);
    const whole = shown.slice(start, characterStart(shown, start + LENGTH));
    const space = whole.lastIndexOf(" ");
    const isInWord = space > LENGTH / 2 && /\S/.test(shown.charAt(start + LENGTH));
    const cut = (isInWord ? whole.slice(0, space) : whole).trim();
    const isLast = at + AROUND >= text.length && start + LENGTH >= shown.length;
    return `${begin + start > 0 ? "…" : ""}${isLast ? cut : `${cut.replace(/[\s·.,;:。，；：、]+$/, "")}…`}`;
  }

  /** @param {string} text @returns {number} of the phrase, or else of the first word; -1 if none is in it */
  #placeIn(text) {
    const lower = text.toLocaleLowerCase();
    const whole = lower.indexOf(this.#phrase);
    if (whole >= 0) return whole;
    const places = this.#words.map((word) => lower.indexOf(word)).filter((place) => place >= 0);
    return places.length > 0 ? Math.min(...places) : -1;
  }
}

/**
 * @param {SearchHit} hit
 * @param {SearchHit | null} [other] of the same conversation
 */
function isBetter(hit, other) {
  if (!other || hit.isPhrase !== other.isPhrase) return !other || hit.isPhrase;
  return hit.created < other.created;
}

/** @param {string} line of Markdown */
function plainLine(line) {
  if (/^\|?(?::?-+:?\|)*:?-*:?$/.test(line.replace(/\s+/g, ""))) return ""; // a rule, or below the head of a table
  const text = stripMarkdown(line);
  return text.startsWith("|") ? text.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ") : text;
}
