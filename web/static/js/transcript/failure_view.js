/** Shows why an answer failed. */

import { texts } from "../i18n/language.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

const MOST_SECONDS = 120; // more are said in minutes

/**
 * @param {FailureRecord} failure
 * @param {Exchange} exchange
 * @param {boolean} announce whether its sentence is announced as an alert, and how long to wait
 * @param {number} wait seconds until the question can be asked again, which a button shows
 */
export function failureBox(failure, exchange, announce, wait) {
  const box = document.createElement("div");
  box.className = "failure";
  const whole = sentenceOf(failure, exchange);
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
 * @param {Exchange} exchange
 * @returns {string} what an administrator needs to find the failure: no text of the conversation
 */
export function reportOf(exchange) {
  const { failure, changed } = exchange;
  if (!failure) return "";
  const { code, status, requestId } = failure;
  return [
    sentenceOf(failure, exchange),
    `${code}${status === undefined ? "" : ` (${status})`}, ${new Date(changed).toISOString()}, ${location.origin}${location.pathname}`,
    ...(requestId ? [texts.reference(requestId)] : []),
  ].join("\n");
}

/**
 * @param {FailureRecord} failure
 * @param {Exchange} exchange
 */
function sentenceOf(failure, { answer, reasoning, parts = [] }) {
  if (failure.sentence) return failure.sentence;
  const code = failure.status === 413 ? "too_large" : failure.code;
  // the question was sent, and answered in part
  const failures = { ...texts.failures, ...(answer.trim() !== "" && texts.failuresToContinue) };
  // not `in`: an imported file may contain a code such as "toString"
  const sentence = Object.hasOwn(failures, code) ? failures[/** @type {keyof typeof failures} */ (code)] : failures.unknown;
  const hasPart = answer.trim() !== "" || reasoning !== "" || parts.length > 0;
  return hasPart ? sentence : sentence.replace(texts.partKept, "");
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
