/** The shown conversation: the exchanges of its path, first to last. */

import { Draft, draftOwnerOf } from "../storage/draft.js";
import { bringIntoView } from "../ui/in_view.js";
import { ExchangeView } from "./exchange_view.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */

// A long conversation is rendered as Markdown from its end on, in slices of this time.
const SLICE_MS = 12;

export class Transcript {
  #log;
  #events;
  #grown;
  /** Suppresses `grown` while many exchanges are updated. */
  #isBatching = false;
  /** @type {Map<Exchange, ExchangeView>} */
  #views = new Map();
  /** @type {Markdown | null} */
  #markdown = null;
  /** Views that still show plain text; the last one is rendered first. @type {ExchangeView[]} */
  #unrendered = [];
  #timer = 0;
  #isRunning = false;

  /**
   * @param {HTMLElement} log
   * @param {import("./exchange_view.js").ExchangeEvents} events
   */
  constructor(log, events) {
    this.#log = log;
    this.#grown = events.grown;
    // `grown` reads the scroll position and so forces a layout: call it once and not for each exchange
    this.#events = { ...events, grown: () => this.#isBatching || this.#grown() };
    // for what scrolls itself, Chromium's own scrolling to the focus knows no `scroll-margin`
    log.addEventListener("focusin", ({ target }) => {
      if (target instanceof Element && target.matches(":is(pre, .table, .tool-text):focus-visible")) bringIntoView(target);
    });
  }

  /** Renders all answers as Markdown from now on. @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    this.#renderMarkdown();
  }

  /** Dims buttons that cannot be used while an answer is running. @param {boolean} running */
  set running(running) {
    this.#isRunning = running;
    this.#showRunning();
  }

  /** Call after buttons were created again. */
  #showRunning() {
    for (const element of this.#log.querySelectorAll(".when-idle")) element.toggleAttribute("inert", this.#isRunning);
  }

  /**
   * Shows the path of a conversation. Views of exchanges that stay in the path are reused.
   * @param {Conversation} conversation
   */
  show(conversation) {
    const { path } = conversation;
    this.#log.ariaBusy = String(conversation.contents === "reading");
    for (const [exchange, view] of this.#views) {
      if (path.includes(exchange)) continue;
      view.element.remove();
      this.#views.delete(exchange);
    }
    this.#isBatching = true;
    path.forEach((exchange, index) => {
      const view = this.#views.get(exchange) ?? this.#newView(exchange);
      const present = this.#log.children[index] ?? null;
      if (present !== view.element) this.#log.insertBefore(view.element, present);
      view.show(conversation.versionsOf(exchange));
    });
    this.#isBatching = false;
    this.#showRunning();
    this.#renderMarkdown();
  }

  /** Updates texts with variable parts to the current language. */
  translate() {
    for (const view of this.#views.values()) view.translate();
    this.#showRunning();
  }

  /** @returns {boolean} false if there is no answer to copy */
  copyLast() {
    const last = this.#log.lastElementChild;
    return [...this.#views.values()].find(({ element }) => element === last)?.copyAnswer() ?? false;
  }

  /**
   * @param {Exchange} exchange
   * @param {import("./branch_switch.js").BranchChoice} choice
   */
  focusSwitch(exchange, choice) {
    return this.#views.get(exchange)?.focusSwitch(choice);
  }

  /** Focuses the end of an answer, where its buttons are again when it has ended. @param {Exchange} exchange */
  focusEnding(exchange) {
    this.#views.get(exchange)?.focusEnding();
  }

  /**
   * Opens the editor of a question again, or keeps the text until its conversation is shown.
   * @param {Exchange} exchange
   * @param {string} question as it was edited
   * @returns {string} other unsent changes, which it replaces; empty if there were none
   */
  reopenEditor(exchange, question) {
    const view = [...this.#views].find(([{ id }]) => id === exchange.id)?.[1];
    if (view) return view.reopenEditor(question);
    const draft = new Draft(draftOwnerOf(exchange), this.#events.draftSaved);
    const { text } = draft;
    draft.text = question;
    draft.flush();
    return text === question ? "" : text;
  }

  /** Edited questions that were not asked yet. @returns {[Exchange, string][]} */
  get unsentEdits() {
    return [...this.#views].flatMap(([exchange, { unsentEdit }]) => (unsentEdit ? [[exchange, unsentEdit]] : []));
  }

  /** @param {Exchange} exchange @returns {boolean} whether its editor is open, with an unsent change */
  isEdited(exchange) {
    return this.unsentEdits.some(([edited]) => edited === exchange);
  }

  /** @param {Exchange} exchange @returns {boolean} */
  shows(exchange) {
    return this.#views.has(exchange);
  }

  /** Renders a shown exchange next. @param {string} id @returns {HTMLElement | undefined} its element */
  renderNext(id) {
    const view = [...this.#views].find(([exchange]) => exchange.id === id)?.[1];
    const index = view ? this.#unrendered.indexOf(view) : -1;
    if (index >= 0) this.#unrendered.push(...this.#unrendered.splice(index, 1));
    return view?.element;
  }

  /** @param {Exchange} exchange */
  grow(exchange) {
    this.#views.get(exchange)?.grow();
  }

  /**
   * @param {Exchange} exchange still running
   * @param {import("../conversation/exchange.js").Obstacle | null} obstacle
   */
  showConnection(exchange, obstacle) {
    this.#views.get(exchange)?.showConnection(obstacle);
  }

  /**
   * @param {Exchange} exchange
   * @param {{ announce: boolean }} options
   */
  finish(exchange, options) {
    this.#views.get(exchange)?.finish(options);
    this.#showRunning();
  }

  /** @param {Exchange} exchange */
  #newView(exchange) {
    const view = new ExchangeView(exchange, this.#events);
    this.#views.set(exchange, view);
    this.#unrendered.push(view);
    return view;
  }

  #renderMarkdown() {
    if (!this.#markdown) return;
    this.#isBatching = true;
    clearTimeout(this.#timer);
    const end = performance.now() + SLICE_MS;
    let view;
    do {
      view = this.#unrendered.pop();
      if (view?.element.isConnected) view.useMarkdown(this.#markdown);
    } while (view && performance.now() < end);
    this.#isBatching = false;
    if (this.#unrendered.length > 0) this.#timer = setTimeout(() => this.#renderMarkdown());
    this.#grown();
  }
}
