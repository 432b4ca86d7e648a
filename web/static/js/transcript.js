/** The conversation in the page: each question above its answer. */

import { AnswerView } from "./answer_view.js";
import { label } from "./language.js";

/** @typedef {import("./conversation.js").Exchange} Exchange */
/** @typedef {import("./markdown.js").Markdown} Markdown */

const LONG_QUESTION = 160; // characters; beyond this it is set as text, not as a headline

export class Transcript {
  #log;
  #events;
  /** @type {Map<Exchange, AnswerView>} */
  #answers = new Map();
  /** @type {Markdown | null} */
  #markdown = null;

  /**
   * @param {HTMLElement} log
   * @param {{ retry: (exchange: Exchange) => void, grown: () => void }} events
   */
  constructor(log, events) {
    this.#log = log;
    this.#events = events;
  }

  /** @param {Markdown} markdown for what is shown and what comes */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    for (const answer of this.#answers.values()) answer.useMarkdown(markdown);
  }

  /** @param {Exchange} exchange */
  add(exchange) {
    const answer = new AnswerView({ grown: this.#events.grown, retry: () => this.#events.retry(exchange) });
    if (this.#markdown) answer.useMarkdown(this.#markdown);
    this.#answers.set(exchange, answer);
    this.#log.append(questionElement(exchange.question), answer.element);
  }

  /** @param {Exchange} exchange */
  grow(exchange) {
    this.#answers.get(exchange)?.grow(exchange);
  }

  /**
   * @param {Exchange} exchange
   * @param {{ announce: boolean }} options
   */
  finish(exchange, options) {
    this.#answers.get(exchange)?.finish(exchange, options);
  }

  clear() {
    this.#answers.clear();
    this.#log.replaceChildren();
  }
}

/** @param {string} question */
function questionElement(question) {
  const article = document.createElement("article");
  const long = question.length > LONG_QUESTION || question.includes("\n");
  article.className = long ? "question long" : "question";
  label(article, "you");
  const text = document.createElement("p");
  text.textContent = question; // what the reader wrote is shown as written
  article.append(text);
  return article;
}
