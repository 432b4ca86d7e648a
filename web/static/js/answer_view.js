/** One answer in the transcript: its reasoning, its text, how it ended, and what can be done with it. */

import { copyText } from "./code_block.js";
import { label, say, sentenceFor, words } from "./language.js";
import { MarkdownView } from "./markdown_view.js";

/** @typedef {import("./conversation.js").Exchange} Exchange */
/** @typedef {import("./markdown.js").Markdown} Markdown */

/**
 * @typedef {object} AnswerEvents
 * @property {() => void} retry
 * @property {() => void} grown called after more of the answer has come into the page
 */

export class AnswerView {
  #events;
  #reasoning = document.createElement("details");
  #reasoningText = document.createElement("p");
  #text = document.createElement("div");
  #ending = document.createElement("div");
  #view = new MarkdownView(this.#text);

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("article");
    this.element.className = "answer";
    label(this.element, "answer");
    const summary = document.createElement("summary");
    say(summary, "reasoning");
    this.#reasoning.className = "reasoning";
    this.#reasoning.hidden = true;
    this.#reasoning.append(summary, this.#reasoningText);
    this.#text.classList.add("prose");
    this.#ending.className = "ending";
    this.element.append(this.#reasoning, this.#text, this.#ending);
    this.element.addEventListener("click", (event) => this.#copyCode(event));
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#view.use(markdown);
  }

  /** @param {Exchange} exchange still running */
  grow(exchange) {
    this.element.classList.add("running");
    this.element.classList.toggle("waiting", exchange.answer === "");
    this.#ending.replaceChildren();
    this.#showReasoning(exchange);
    this.#view.grow(exchange.answer, this.#events.grown);
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {{ announce: boolean }} options whether a failure is news to the reader
   */
  finish(exchange, { announce }) {
    this.element.classList.remove("running", "waiting");
    this.#showReasoning(exchange);
    this.#view.finish(exchange.answer);
    this.#ending.replaceChildren(...this.#endingOf(exchange, announce));
  }

  /** @param {Exchange} exchange */
  #showReasoning({ reasoning }) {
    this.#reasoning.hidden = reasoning === "";
    if (this.#reasoningText.textContent !== reasoning) this.#reasoningText.textContent = reasoning;
  }

  /**
   * @param {Exchange} exchange
   * @param {boolean} announce
   * @returns {HTMLElement[]}
   */
  #endingOf(exchange, announce) {
    const note = noteOf(exchange);
    const again = exchange.state === "stopped" || (exchange.state === "failed" && exchange.failure?.retryable);
    const buttons = [
      again ? button("retry", "retry", this.#events.retry) : null,
      exchange.answer ? copyButton(exchange.answer) : null,
    ].filter((each) => each !== null);
    const row = document.createElement("div");
    row.className = "actions";
    row.append(...buttons);
    /** @type {HTMLElement[]} */
    const parts = [];
    if (exchange.state === "failed" && exchange.failure) parts.push(failureOf(exchange.failure, announce));
    else if (note) parts.push(paragraph(note, "note"));
    return buttons.length > 0 ? [...parts, row] : parts;
  }

  /** @param {Event} event */
  #copyCode(event) {
    if (!(event.target instanceof HTMLButtonElement) || !event.target.matches(".copy-code")) return;
    const code = event.target.closest("figure")?.querySelector("code");
    copyText(event.target, code?.textContent ?? "");
  }
}

/** @param {Exchange} exchange */
function noteOf({ state, finishReason, answer }) {
  if (state === "stopped") return words.stoppedNote;
  if (finishReason === "length") return words.lengthNote;
  if (finishReason === "content_filter") return words.filterNote;
  return answer === "" ? words.emptyNote : "";
}

/**
 * @param {import("./failure.js").FailureRecord} failure
 * @param {boolean} announce
 */
function failureOf(failure, announce) {
  const box = document.createElement("div");
  box.className = "failure";
  if (announce) box.setAttribute("role", "alert");
  box.append(paragraph(sentenceFor(failure), "sentence"));
  if (failure.requestId) box.append(paragraph(words.reference(failure.requestId), "reference"));
  return box;
}

/** @param {string} text */
function copyButton(text) {
  const copy = button("copyAnswer", "copy-answer", () => copyText(copy, text));
  return copy;
}

/**
 * @param {import("./language.js").PlainWord} word
 * @param {string} name
 * @param {() => void} press
 */
function button(word, name, press) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  say(element, word);
  element.addEventListener("click", press);
  return element;
}

/**
 * @param {string} text
 * @param {string} name
 */
function paragraph(text, name) {
  const element = document.createElement("p");
  element.className = name;
  element.textContent = text;
  return element;
}
