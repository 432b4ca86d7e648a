/** The details of an answer. Loaded when the reader first uses the page. */

import { tokensPerSecond } from "../api/answer_details.js";
import { callsOf } from "../conversation/answer_parts.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../api/answer_details.js").AnswerDetails} AnswerDetails */
/** @typedef {Pick<import("../conversation/exchange.js").Exchange, "parts" | "state">} Answer */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/**
 * @param {HTMLElement} list
 * @param {AnswerDetails} details
 * @param {Answer} answer
 */
export function fillDetails(list, details, answer) {
  list.replaceChildren(...rows(details, answer).map(([key, value]) => row(key, value)));
}

/**
 * @param {AnswerDetails} details
 * @param {Answer} answer
 * @returns {[TextKey, string][]}
 */
function rows(details, { parts, state }) {
  const { firstMs, totalMs, usage, model, currency } = details;
  const cost = usage?.cost;
  // the time has the waits for tools and for the reader
  const rate = callsOf(parts).length > 0 ? undefined : tokensPerSecond(details);
  // another application may not have said how many a whole answer took
  const uncounted = state === "complete" ? undefined : texts.notCounted;
  const tokens = usage ? texts.tokens(number(usage.prompt), number(usage.completion), usage.estimated) : uncounted;
  return [
    ...(model ? [/** @type {[TextKey, string]} */ (["modelLabel", model])] : []),
    ...(firstMs === undefined ? [] : [/** @type {[TextKey, string]} */ (["firstToken", duration(firstMs)])]),
    ...(totalMs === undefined ? [] : [/** @type {[TextKey, string]} */ (["totalTime", duration(totalMs)])]),
    ...(rate === undefined ? [] : [/** @type {[TextKey, string]} */ (["tokensPerSecond", number(rate)])]),
    ...(tokens === undefined ? [] : [/** @type {[TextKey, string]} */ (["usage", tokens])]),
    ...(cost === undefined || !currency ? [] : [/** @type {[TextKey, string]} */ (["cost", money(cost, currency)])]),
  ];
}

/**
 * @param {TextKey} key
 * @param {string} value
 */
function row(key, value) {
  const pair = document.createElement("div");
  const name = document.createElement("dt");
  const text = document.createElement("dd");
  setText(name, key);
  text.textContent = value;
  pair.append(name, text);
  return pair;
}

/** @param {number} ms */
function duration(ms) {
  const digits = new Intl.NumberFormat(texts.tag, { maximumFractionDigits: ms < 10_000 ? 2 : 1 });
  return texts.seconds(digits.format(ms / 1000));
}

/**
 * @param {number} value
 * @param {string} currency
 */
function money(value, currency) {
  // an answer may cost a thousandth of a cent
  return new Intl.NumberFormat(texts.tag, { style: "currency", currency, maximumSignificantDigits: 3 }).format(value);
}

/** @param {number} value */
function number(value) {
  return new Intl.NumberFormat(texts.tag, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}
