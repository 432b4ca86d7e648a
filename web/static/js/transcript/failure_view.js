/** Shows why an answer failed. */

import { texts } from "../i18n/language.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

const MOST_SECONDS = 120; // more are said in minutes

/**
 * @param {FailureRecord} failure
 * @param {string} answer the text that has arrived
 * @param {boolean} announce whether its sentence is announced as an alert, and how long to wait
 * @param {number} wait seconds until the question can be asked again, which a button shows
 */
export function failureBox(failure, answer, announce, wait) {
  const box = document.createElement("div");
  box.className = "failure";
  const whole = sentenceOf(failure, answer);
  const sentence = paragraph(wait > 0 ? whole.replace(texts.tryAgain, "") : whole, "sentence");
  if (announce) sentence.setAttribute("role", "alert");
  if (announce && wait > 0) {
    const advice = document.createElement("span");
    advice.className = "visually-hidden"; // the button counts down, and is not announced
    advice.textContent = ` ${texts.tryAgainIn(inWords(wait))}`;
    sentence.append(advice);
  }
  box.append(sentence);
  if (failure.requestId) box.append(paragraph(texts.reference(failure.requestId), "reference"));
  return box;
}

/**
 * @param {import("../conversation/exchange.js").Exchange} exchange
 * @returns {string} what an administrator needs to find the failure: no text of the conversation
 */
export function reportOf({ failure, answer, changed }) {
  if (!failure) return "";
  const { code, status, requestId } = failure;
  return [
    sentenceOf(failure, answer),
    `${code}${status === undefined ? "" : ` (${status})`}, ${new Date(changed).toISOString()}, ${location.origin}${location.pathname}`,
    ...(requestId ? [texts.reference(requestId)] : []),
  ].join("\n");
}

/**
 * @param {FailureRecord} failure
 * @param {string} answer
 */
function sentenceOf(failure, answer) {
  if (failure.sentence) return failure.sentence;
  const code = failure.status === 413 ? "too_large" : failure.code;
  // the question was sent, and answered in part
  const failures = { ...texts.failures, ...(answer.trim() !== "" && texts.failuresToContinue) };
  // not `in`: an imported file may contain a code such as "toString"
  return Object.hasOwn(failures, code) ? failures[/** @type {keyof typeof failures} */ (code)] : failures.unknown;
}

/** @param {number} seconds */
function inWords(seconds) {
  const [value, unit] = seconds < MOST_SECONDS ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return new Intl.NumberFormat(texts.tag, { style: "unit", unit, unitDisplay: "long" }).format(value);
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
