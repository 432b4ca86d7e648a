/** How an answer ended: a note or a failure, and below it what can be done with the answer. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, quietButton } from "./button.js";
import { isCutOff } from "./exchange.js";
import { say, sentenceFor, words } from "./language.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").ExchangeEvents} ExchangeEvents */

export class AnswerEnding {
  #events;
  #said = document.createElement("div");
  #actions = document.createElement("div");

  /** @param {ExchangeEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.element.className = "ending";
    this.#actions.className = "actions";
    this.element.append(this.#said, this.#actions);
    this.branches = new BranchSwitch("answerVersions", events.choose);
  }

  /** While the answer is written, it has none. */
  clear() {
    this.#said.replaceChildren();
    this.#actions.replaceChildren();
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {boolean} announce whether a failure is news to the reader
   */
  show(exchange, announce) {
    this.#said.replaceChildren(...said(exchange, announce));
    this.#actions.replaceChildren(...this.#actionsFor(exchange));
  }

  /** @param {Exchange} exchange */
  #actionsFor(exchange) {
    const failed = exchange.state === "failed";
    const mayRetry = exchange.state === "stopped" || (failed && exchange.failure?.retryable);
    return [
      isCutOff(exchange) ? quietButton("resume", "resume when-idle", () => this.#events.resume(exchange)) : "",
      mayRetry ? quietButton("retry", "retry when-idle", () => this.#events.regenerate(exchange)) : "",
      exchange.answer ? copyButton("copyAnswer", "copy-answer", () => exchange.answer) : "",
      mayRetry || failed
        ? ""
        : quietButton("regenerate", "regenerate when-idle", () => this.#events.regenerate(exchange)),
      this.branches.element,
    ];
  }
}

/**
 * @param {Exchange} exchange
 * @param {boolean} announce
 */
function said(exchange, announce) {
  if (exchange.state === "failed" && exchange.failure) return [failureOf(exchange.failure, announce)];
  const word = noteOf(exchange);
  if (!word) return [];
  const note = paragraph("", "note");
  say(note, word);
  return [note];
}

/**
 * @param {Exchange} exchange
 * @returns {import("./language.js").PlainWord | null}
 */
function noteOf({ state, finishReason, answer }) {
  if (state === "stopped") return "stoppedNote";
  if (finishReason === "length") return "lengthNote";
  if (finishReason === "content_filter") return "filterNote";
  return answer === "" ? "emptyNote" : null;
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
