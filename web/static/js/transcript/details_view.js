/** The details of an answer. Loaded when the reader first uses the page. */

import { tokensPerSecond } from "../api/answer_details.js";
import "../i18n/detail_texts.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../api/answer_details.js").AnswerDetails} AnswerDetails */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/**
 * @param {HTMLElement} list
 * @param {AnswerDetails} details
 */
export function fillDetails(list, details) {
  list.replaceChildren(...rows(details).map(([key, value]) => row(key, value)));
}

/**
 * @param {AnswerDetails} details
 * @returns {[TextKey, string][]}
 */
function rows(details) {
  const { firstMs, totalMs, usage, model, currency } = details;
  const cost = usage?.cost;
  const rate = tokensPerSecond(details);
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
