/** The end of an answer: a note or a failure, and the action buttons. */

import { AnswerActions } from "./answer_actions.js";
import { quietButton } from "../ui/button.js";
import { FailureView } from "./failure_view.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/conversation.js").Versions} Versions */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */

export class AnswerEnding {
  #events;
  #messages = document.createElement("div");
  #actions;
  /** @type {FailureView | null} */
  #failure = null;
  /** Where the later messages are, if not here. */
  #later = document.createElement("p");
  /** @type {Versions | null} */
  #versions = null;

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.element.className = "ending";
    this.#actions = new AnswerActions(events);
    this.#later.className = "later";
    this.#later.hidden = true;
    this.element.append(this.#messages, this.#actions.element, this.#later);
    this.branches = this.#actions.branches;
  }

  /** Removes notes and actions while the answer is running. */
  clear() {
    this.#clearFailure();
    this.#messages.replaceChildren();
    this.#actions.clear();
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {boolean} announce whether a failure is announced as an alert
   */
  show(exchange, announce) {
    this.#clearFailure();
    const { state, failure } = exchange;
    if (state === "failed" && failure) this.#showFailure(failure, announce);
    else this.#messages.replaceChildren(...notesOf(exchange));
    if (exchange.leftOut) this.#messages.append(note(texts.leftOut(exchange.leftOut)));
    this.#actions.show(exchange);
    this.#fillLater();
  }

  /** @param {Versions} versions */
  showLater(versions) {
    this.#versions = versions;
    this.#actions.hasVersions = versions.questions.length > 1 || versions.answers.length > 1;
    this.#fillLater();
  }

  #fillLater() {
    const { questions = [], answers = [], followed = null } = this.#versions ?? {};
    this.#later.hidden = !followed;
    if (!followed) return;
    const isAnswer = answers.includes(followed);
    const place = isAnswer ? answers.indexOf(followed) : questions.findIndex(({ question }) => question === followed.question);
    const go = quietButton("showVersion", "show-later when-idle", () => this.#events.show(followed));
    this.#later.replaceChildren(isAnswer ? texts.laterInAnswer(place + 1) : texts.laterInQuestion(place + 1), " ", go);
  }

  /**
   * @param {import("../api/failure.js").FailureRecord} failure
   * @param {boolean} announce
   */
  #showFailure(failure, announce) {
    this.#failure = new FailureView(failure, {
      announce,
      ready: () => {
        this.element.classList.remove("retry-waiting");
        this.#events.retryReady();
      },
    });
    this.#messages.replaceChildren(...this.#failure.elements);
    this.element.classList.toggle("retry-waiting", this.#failure.isWaiting);
  }

  #clearFailure() {
    this.#failure?.end();
    this.#failure = null;
    this.element.classList.remove("retry-waiting");
  }
}

/** @param {Exchange} exchange */
function notesOf(exchange) {
  const key = noteOf(exchange);
  if (!key) return [];
  const element = note("");
  setText(element, key);
  return [element];
}

/** @param {string} text */
function note(text) {
  const element = document.createElement("p");
  element.className = "note";
  element.textContent = text;
  return element;
}

/**
 * @param {Exchange} exchange
 * @returns {import("../i18n/language.js").TextKey | null}
 */
function noteOf({ state, finishReason, answer, stopReason }) {
  if (state === "stopped" && stopReason === "abandoned") return "abandonedNote";
  if (state === "stopped" && stopReason === "log_full") return "logFullNote";
  if (state === "stopped") return "stoppedNote";
  if (finishReason === "length") return "lengthNote";
  if (finishReason === "content_filter") return "filterNote";
  return answer === "" ? "emptyNote" : null;
}
