/** One answer in the transcript: reasoning, text and end. */

import { AnswerEnding } from "./answer_ending.js";
import { loadStyles } from "../browser/libraries.js";
import { copyText } from "../ui/button.js";
import { shownPart } from "../ui/part_loader.js";
import { setLabel, setText } from "../i18n/language.js";
import { MarkdownView } from "../markdown/markdown_view.js";
import { thoughtsOf } from "../conversation/thoughts.js";
import { ReasoningView } from "./reasoning_view.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/conversation.js").Versions} Versions */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */

const loadParts = shownPart(() => Promise.all([import("./answer_parts_view.js"), loadStyles("css/parts.css")]));

export class AnswerView {
  #events;
  #reasoning;
  #text = document.createElement("div");
  #markdown = new MarkdownView(this.#text);
  #ending;
  #connection = document.createElement("p");
  /** For an answer that has more than text. @type {import("./answer_parts_view.js").AnswerPartsView | null} */
  #parts = null;
  /** What is shown with its parts as soon as these can be. @type {Exchange | null} */
  #awaitingParts = null;
  /** @type {Markdown | null} */
  #library = null;

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.#reasoning = new ReasoningView(events);
    this.#ending = new AnswerEnding(events);
    this.branches = this.#ending.branches;
    this.element = document.createElement("article");
    this.element.className = "answer";
    setLabel(this.element, "answer");
    this.#text.classList.add("prose");
    this.#connection.className = "connection";
    this.#connection.hidden = true;
    this.element.append(this.#reasoning.element, this.#text, this.#ending.element, this.#connection);
    this.element.addEventListener("click", (event) => onCodeButton(event));
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#library = markdown;
    this.#markdown.useMarkdown(markdown);
    this.#parts?.useMarkdown(markdown);
    this.#reasoning.useMarkdown(markdown);
  }

  /** @param {Exchange} exchange still running */
  grow(exchange) {
    this.element.classList.add("running");
    this.#ending.clear();
    this.#showThought(exchange);
    this.element.classList.toggle("waiting", this.#showText(exchange));
  }

  /** @param {import("../conversation/exchange.js").Obstacle | null} obstacle what keeps a running answer from growing */
  showConnection(obstacle) {
    if (obstacle) setText(this.#connection, obstacle);
    this.#connection.hidden = !obstacle;
    this.element.classList.toggle("reconnecting", obstacle !== null);
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {{ announce: boolean }} options whether a failure is announced as an alert
   */
  finish(exchange, { announce }) {
    this.showConnection(null);
    this.element.classList.remove("running", "waiting");
    this.#showThought(exchange);
    this.#showText(exchange);
    this.showEnding(exchange, announce);
  }

  /** Shows what the model thought before its answer. @param {Exchange} exchange */
  #showThought(exchange) {
    const [first] = thoughtsOf(exchange);
    if (first) this.#reasoning.show(first);
  }

  /**
   * @param {Exchange} exchange
   * @returns {boolean} whether the next word of the text is what the reader waits for
   */
  #showText(exchange) {
    const { answer, parts, state } = exchange;
    if (parts && !this.#parts) this.#awaitParts(exchange);
    if (this.#parts) return this.#parts.show(exchange);
    if (state === "running") this.#markdown.grow(answer, this.#events.grown);
    else this.#markdown.finish(answer, this.#events.grown);
    return answer === "";
  }

  /** @param {Exchange} exchange */
  #awaitParts(exchange) {
    const isAwaiting = this.#awaitingParts !== null;
    this.#awaitingParts = exchange;
    if (isAwaiting) return;
    const view = new WeakRef(this); // so that a removed view is not kept while the parts are missing
    void loadParts().then(([{ AnswerPartsView }]) => {
      const shown = view.deref();
      if (shown) shown.#useParts(AnswerPartsView);
    });
  }

  /** @param {typeof import("./answer_parts_view.js").AnswerPartsView} AnswerPartsView */
  #useParts(AnswerPartsView) {
    const exchange = this.#awaitingParts;
    if (!exchange) return;
    this.#awaitingParts = null;
    this.#parts = new AnswerPartsView(this.#text, this.#markdown, this.#events);
    if (this.#library) this.#parts.useMarkdown(this.#library);
    this.element.classList.toggle("waiting", this.#showText(exchange));
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {boolean} announce whether a failure is announced as an alert
   */
  showEnding(exchange, announce) {
    this.#ending.show(exchange, announce);
  }

  focusEnding() {
    const { element } = this.#ending;
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
  }

  /** Updates texts that depend on the language. @param {Exchange} exchange */
  translate(exchange) {
    this.#reasoning.translate();
    this.#parts?.translate();
    if (exchange.state !== "running") this.showEnding(exchange, false);
  }

  /** @returns {boolean} false if there is nothing to copy */
  copy() {
    const button = this.#ending.element.querySelector(".copy-answer");
    if (!(button instanceof HTMLButtonElement)) return false;
    button.click(); // which also shows the result
    return true;
  }

  /** Says where the later messages are, if another version has them. @param {Versions} versions */
  showLater(versions) {
    this.#ending.showLater(versions);
  }
}

/** @param {Event} event */
function onCodeButton({ target }) {
  const button = target instanceof Element ? target.closest("button") : null;
  const figure = button?.closest("figure");
  if (!button || !figure) return;
  const code = figure.querySelector("code")?.textContent ?? "";
  if (button.matches(".copy-code")) void copyText(button, code.replace(/\n$/, "")); // pasted into a terminal, it would run
  else if (button.matches(".wrap-code")) toggleWrap(button);
}

/**
 * Wraps long lines, or lets them scroll. The style sheet reads the button's state, as the header stays the same while
 * the answer grows.
 * @param {HTMLButtonElement} button
 */
function toggleWrap(button) {
  const isWrapped = button.ariaPressed !== "true";
  button.ariaPressed = String(isWrapped);
  const code = button.closest("figure")?.querySelector("code");
  if (!code) return;
  void import("../markdown/wrapped_lines.js")
    .then(({ joinLines, splitLines }) => (isWrapped ? splitLines(code) : joinLines(code)))
    .catch(() => {}); // offline, or after a deploy: lines wrap without their indentation
}
