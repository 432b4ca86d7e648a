/** Shows why an answer failed. */

import { texts } from "../i18n/language.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

/**
 * @param {FailureRecord} failure
 * @param {boolean} announce whether it is announced as an alert
 */
export function failureBox(failure, announce) {
  const box = document.createElement("div");
  box.className = "failure";
  if (announce) box.setAttribute("role", "alert");
  box.append(paragraph(sentenceOf(failure), "sentence"));
  if (failure.requestId) box.append(paragraph(texts.reference(failure.requestId), "reference"));
  return box;
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
