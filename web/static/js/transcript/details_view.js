/** The details of an answer, which a button shows. */

import { quietButton } from "../ui/button.js";
import { tokensPerSecond } from "../api/answer_details.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../api/answer_details.js").AnswerDetails} AnswerDetails */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/**
 * @param {AnswerDetails} details
 * @returns {HTMLElement[]} the button and the details
 */
export function detailsView(details) {
  const list = document.createElement("dl");
  list.className = "answer-details";
  for (const [key, value] of rows(details)) list.append(row(key, value));
  const button = quietButton("details", "show-details", () => show(button.ariaExpanded !== "true"));
  /** @param {boolean} open */
  const show = (open) => {
    list.hidden = !open;
    button.ariaExpanded = String(open);
    if (open) list.scrollIntoView({ block: "nearest" }); // otherwise the dock may cover it
  };
  show(false);
  return [button, list];
}

/**
 * @param {AnswerDetails} details
 * @returns {[TextKey, string][]}
 */
function rows(details) {
  const { firstMs, totalMs, usage } = details;
  const rate = tokensPerSecond(details);
  return [
    ...(firstMs === undefined ? [] : [/** @type {[TextKey, string]} */ (["firstToken", duration(firstMs)])]),
    ["totalTime", duration(totalMs)],
    ...(rate === undefined ? [] : [/** @type {[TextKey, string]} */ (["tokensPerSecond", number(rate)])]),
    ["usage", usage ? texts.tokens(number(usage.prompt), number(usage.completion), usage.estimated) : texts.notCounted],
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
  const seconds = new Intl.NumberFormat(texts.tag, {
    style: "unit",
    unit: "second",
    maximumFractionDigits: ms < 10_000 ? 2 : 1,
  });
  return seconds.format(ms / 1000);
}

/** @param {number} value */
function number(value) {
  return new Intl.NumberFormat(texts.tag, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}
