/** The details of an answer. Loaded when the reader first uses the page. */

import { tokensPerSecond } from "../api/answer_details.js";
import { callsOf } from "../conversation/answer_parts.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../api/answer_details.js").AnswerDetails} AnswerDetails */
/** @typedef {import("../conversation/answer_parts.js").AnswerPart} AnswerPart */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/**
 * @param {HTMLElement} list
 * @param {AnswerDetails} details
 * @param {AnswerPart[]} [parts] of the answer
 */
export function fillDetails(list, details, parts) {
  list.replaceChildren(...rows(details, parts).map(([key, value]) => row(key, value)));
}

/**
 * @param {AnswerDetails} details
 * @param {AnswerPart[]} [parts]
 * @returns {[TextKey, string][]}
 */
function rows(details, parts) {
  const { firstMs, totalMs, usage, model, currency } = details;
  const cost = usage?.cost;
  // the time has the waits for tools and for the reader
  const rate = callsOf(parts).length > 0 ? undefined : tokensPerSecond(details);
  return [
    ...(model ? [/** @type {[TextKey, string]} */ (["modelLabel", model])] : []),
    ...(firstMs === undefined ? [] : [/** @type {[TextKey, string]} */ (["firstToken", duration(firstMs)])]),
    ...(totalMs === undefined ? [] : [/** @type {[TextKey, string]} */ (["totalTime", duration(totalMs)])]),
    ...(rate === undefined ? [] : [/** @type {[TextKey, string]} */ (["tokensPerSecond", number(rate)])]),
    ["usage", usage ? texts.tokens(number(usage.prompt), number(usage.completion), usage.estimated) : texts.notCounted],
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
