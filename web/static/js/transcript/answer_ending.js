/** The end of an answer: a note or a failure, and the action buttons. */

import { AnswerActions } from "./answer_actions.js";
import { quietButton } from "../ui/button.js";
import { noteOf } from "../conversation/ending_note.js";
import { failureBox } from "./failure_view.js";
import { RetryWait } from "../api/retry_wait.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/conversation.js").Versions} Versions */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */

export class AnswerEnding {
  #events;
  #messages = document.createElement("div");
  #actions;
  /** Stops a countdown. */
  #wait = new AbortController();
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
    this.#wait.abort();
    this.#messages.replaceChildren();
    this.#actions.clear();
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {boolean} announce whether a failure is announced as an alert
   */
  show(exchange, announce) {
    this.#wait.abort();
    const { state, failure } = exchange;
    const shown = state === "failed" && failure;
    const wait = shown ? new RetryWait(failure) : null;
    this.#messages.replaceChildren(...(shown ? [failureBox(failure, exchange, announce, wait?.seconds ?? 0)] : notesOf(exchange)));
    if (exchange.leftOut) this.#messages.append(note(texts.leftOut(exchange.leftOut)));
    if (exchange.isWithoutImages) this.#messages.append(note(texts.imagesNotSent));
    this.#actions.show(exchange);
    if (wait) this.#waitFor(wait);
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
    const go = quietButton("showVersion", "show-later", () => this.#events.show(followed));
    this.#later.replaceChildren(isAnswer ? texts.laterInAnswer(place + 1) : texts.laterInQuestion(place + 1), " ", go);
  }

  /** Counts down on the button. @param {RetryWait} wait */
  #waitFor(wait) {
    this.#actions.showWait(wait);
    this.#wait = new AbortController();
    wait.watch(() => {
      this.#actions.showWait(wait);
      if (!wait.isOver) return;
      this.#messages.querySelector(".visually-hidden")?.remove(); // it has said how long to wait
      this.#events.retryReady();
    }, this.#wait.signal);
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
