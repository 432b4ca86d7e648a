/** The conversation in the page: the exchanges of its path, first to last. */

import { ExchangeView } from "./exchange_view.js";

/** @typedef {import("./conversation.js").Conversation} Conversation */
/** @typedef {import("./exchange.js").Exchange} Exchange */
/** @typedef {import("./markdown.js").Markdown} Markdown */

export class Transcript {
  #log;
  #events;
  /** @type {Map<Exchange, ExchangeView>} */
  #views = new Map();
  /** @type {Markdown | null} */
  #markdown = null;

  /**
   * @param {HTMLElement} log
   * @param {import("./exchange_view.js").ExchangeEvents} events
   */
  constructor(log, events) {
    this.#log = log;
    this.#events = events;
  }

  /** @param {Markdown} markdown for what is shown and what comes */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    for (const view of this.#views.values()) view.useMarkdown(markdown);
  }

  /** While an answer is being written, nothing else can be asked in this conversation. @param {boolean} running */
  set running(running) {
    this.#log.classList.toggle("busy", running);
  }

  /**
   * Shows the path of a conversation. What of it is there already stays as it is.
   * @param {Conversation} conversation
   */
  show(conversation) {
    const { path } = conversation;
    for (const [exchange, view] of this.#views) {
      if (path.includes(exchange)) continue;
      view.element.remove();
      this.#views.delete(exchange);
    }
    path.forEach((exchange, index) => {
      const view = this.#views.get(exchange) ?? this.#newView(exchange);
      const there = this.#log.children[index] ?? null;
      if (there !== view.element) this.#log.insertBefore(view.element, there);
      view.show(conversation.versionsOf(exchange));
    });
  }

  /** In another language, what is more than a plain word. */
  translate() {
    for (const view of this.#views.values()) view.translate();
  }

  /** @returns {boolean} false where there is no answer to copy */
  copyLast() {
    return [...this.#views.values()].at(-1)?.copyAnswer() ?? false;
  }

  /**
   * @param {Exchange} exchange
   * @param {import("./branch_switch.js").BranchChoice} choice
   */
  focusSwitch(exchange, choice) {
    return this.#views.get(exchange)?.focusSwitch(choice);
  }

  /** @param {Exchange} exchange */
  grow(exchange) {
    this.#views.get(exchange)?.grow();
  }

  /**
   * @param {Exchange} exchange
   * @param {{ announce: boolean }} options
   */
  finish(exchange, options) {
    this.#views.get(exchange)?.finish(options);
  }

  /** @param {Exchange} exchange */
  #newView(exchange) {
    const view = new ExchangeView(exchange, this.#events);
    if (this.#markdown) view.useMarkdown(this.#markdown);
    this.#views.set(exchange, view);
    return view;
  }
}
