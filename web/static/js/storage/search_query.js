/**
 * A search query: all of its words must be in one text, as it is read: Markdown may stand within them. Where they follow
 * each other as in the query is the better place.
 */

import { withFormulasAsText } from "../conversation/formula_text.js";
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
/** What may stand between two characters that are read together: marks of emphasis and code, tags, links. */
const BETWEEN = "(?:[*`~[]|</?[a-z]{1,8}>|\\]\\([^()\\s]{0,500}\\))*";
const HAS_MARKS = /[*`~<[]/;
/** A word that has a mark itself is looked for as it is: so no text takes more than a time in proportion to its length. */
const PLAIN = /^[^*`~<>[\]()]{2,100}$/;
const TAGS = /<\/?(?:sub|sup|b|strong|i|em|u|s|mark|kbd|small)>/gi;

export class SearchQuery {
  #words;
  #phrase;
  /** The words and the phrase as they may stand in Markdown. @type {Map<string, RegExp>} */
  #patterns = new Map();

  /** @param {string} text */
  constructor(text) {
    this.#words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    this.#phrase = this.#words.join(" ");
    for (const word of [...this.#words, this.#phrase]) if (PLAIN.test(word)) this.#patterns.set(word, patternOf(word));
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
    for (const { id, title } of store.list) if (!hits.has(id) && this.#isIn(title.toLocaleLowerCase())) hits.set(id, null);
    return hits;
  }

  /** @param {string} lower */
  #isIn(lower) {
    return this.#words.every((word) => this.#indexOf(word, lower) >= 0);
  }

  /** @param {string} lower */
  #isPhraseIn(lower) {
    return this.#indexOf(this.#phrase, lower) >= 0;
  }

  /**
   * @param {Exchange} exchange
   * @param {string} [title] of its conversation, which is shown above the snippet
   * @returns {SearchHit | null}
   */
  #hitIn({ id, created, question, answer }, title) {
    const text = `${question}\n${answer}`;
    const lower = text.toLocaleLowerCase();
    if (!this.#isIn(lower)) return null;
    const lowerAnswer = answer.toLocaleLowerCase();
    const isTitle = titleFrom(question) === title;
    const isPhrase = this.#isPhraseIn(lower);
    const quotes = isPhrase ? this.#isPhraseIn(lowerAnswer) : this.#isIn(lowerAnswer);
    const isInAnswer = quotes || (isTitle && this.#placeIn(lowerAnswer) >= 0);
    let snippet = "";
    if (isInAnswer) snippet = this.#snippet(answer, this.#placeIn(lowerAnswer));
    else if (!isTitle || stripMarkdown(question) !== title) snippet = this.#snippet(text, this.#placeIn(lower));
    return { exchange: id, created, words: this.#words, isPhrase, isInAnswer, snippet };
  }

  /**
   * @param {string} text
   * @param {number} at of the first of the words
   */
  #snippet(text, at) {
    const begin = Math.max(0, at - AROUND);
    const source = text.slice(begin, at + AROUND);
    const plain = withFormulasAsText(source).split("\n").map(plainLine).filter(Boolean).join(" · ");
    const place = this.#placeIn(plain.toLocaleLowerCase());
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

  /** @param {string} word @param {string} lower */
  #indexOf(word, lower) {
    const index = lower.indexOf(word);
    const pattern = this.#patterns.get(word);
    return index < 0 && pattern && HAS_MARKS.test(lower) ? lower.search(pattern) : index;
  }

  /** @param {string} lower @returns {number} of the phrase, or else of the first word; -1 if none is in it */
  #placeIn(lower) {
    const whole = this.#indexOf(this.#phrase, lower);
    if (whole >= 0) return whole;
    const places = this.#words.map((word) => this.#indexOf(word, lower)).filter((place) => place >= 0);
    return places.length > 0 ? Math.min(...places) : -1;
  }
}

/** @param {string} word */
function patternOf(word) {
  return new RegExp([...word].map((each) => each.replace(/[\\^$.|?+{}/]/, "\\$&")).join(BETWEEN), "u");
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
  const text = stripMarkdown(line).replace(TAGS, "");
  return text.startsWith("|") ? text.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ") : text;
}
