/** Shows why an answer failed, and counts down to the time of a retry. */

import { spaced, texts } from "../i18n/language.js";
import { RetryWait } from "../api/retry_wait.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

const MINUTE = 60; // seconds

export class FailureView {
  #wait;
  #countdown = document.createElement("p");
  #controller = new AbortController();

  /**
   * @param {FailureRecord} failure
   * @param {object} options
   * @param {boolean} options.announce whether the failure is announced as an alert
   * @param {() => void} options.ready called when a wait is over
   */
  constructor(failure, { announce, ready }) {
    this.#wait = new RetryWait(failure);
    const box = document.createElement("div");
    box.className = "failure";
    if (announce) box.setAttribute("role", "alert");
    box.append(paragraph(sentenceOf(failure), "sentence"));
    if (failure.requestId) box.append(paragraph(texts.reference(failure.requestId), "reference"));
    // outside the alert: screen readers would read it every second
    this.#countdown.className = "note countdown";
    this.elements = [box, this.#countdown];
    this.#count();
    this.#wait.watch(() => {
      this.#count();
      if (!this.isWaiting) ready();
    }, this.#controller.signal);
  }

  /** Whether it is too early for a retry. */
  get isWaiting() {
    return !this.#wait.isOver;
  }

  /** Stops the countdown. */
  end() {
    this.#controller.abort();
  }

  #count() {
    this.#countdown.hidden = !this.isWaiting;
    const { isOffline, seconds } = this.#wait;
    this.#countdown.textContent = isOffline ? texts.retryOnline : texts.retryIn(inTime(seconds));
  }
}

/**
 * @param {import("../conversation/exchange.js").Exchange} exchange
 * @returns {string} what an administrator needs to find the failure: no text of the conversation
 */
export function reportOf({ failure, changed }) {
  if (!failure) return "";
  const { code, status, requestId } = failure;
  return [
    sentenceOf(failure),
    `${code}${status === undefined ? "" : ` (${status})`}, ${new Date(changed).toISOString()}, ${location.origin}${location.pathname}`,
    ...(requestId ? [texts.reference(requestId)] : []),
  ].join("\n");
}

/** @param {FailureRecord} failure */
function sentenceOf(failure) {
  if (failure.sentence) return failure.sentence;
  const code = failure.status === 413 ? "too_large" : failure.code;
  const { failures } = texts;
  // not `in`: an imported file may contain a code such as "toString"
  return Object.hasOwn(failures, code) ? failures[/** @type {keyof typeof failures} */ (code)] : failures.unknown;
}

/** @param {number} seconds */
function inTime(seconds) {
  const time = new Intl.RelativeTimeFormat(texts.tag);
  return spaced(seconds < 2 * MINUTE ? time.format(seconds, "second") : time.format(Math.ceil(seconds / MINUTE), "minute"));
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
