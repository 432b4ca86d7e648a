/** What an answer took, for the reader who asks for it. */

import { quietButton } from "../ui/button.js";
import { tokensPerSecond } from "../api/answer_details.js";
import { say, words } from "../i18n/language.js";

/** @typedef {import("../api/answer_details.js").Figures} Figures */
/** @typedef {import("../i18n/language.js").PlainWord} PlainWord */

/**
 * @param {Figures} figures
 * @returns {HTMLElement[]} a button, which stays where it is, and what it opens
 */
export function figuresView(figures) {
  const list = document.createElement("dl");
  list.className = "figures";
  for (const [word, value] of rows(figures)) list.append(row(word, value));
  const button = quietButton("figures", "show-figures", () => show(button.ariaExpanded !== "true"));
  /** @param {boolean} open */
  const show = (open) => {
    list.hidden = !open;
    button.ariaExpanded = String(open);
    if (open) list.scrollIntoView({ block: "nearest" }); // it may have opened under the dock
  };
  show(false);
  return [button, list];
}

/**
 * @param {Figures} figures
 * @returns {[PlainWord, string][]}
 */
function rows(figures) {
  const { firstMs, totalMs, usage } = figures;
  const rate = tokensPerSecond(figures);
  return [
    ...(firstMs === undefined ? [] : [/** @type {[PlainWord, string]} */ (["firstToken", duration(firstMs)])]),
    ["wholeAnswer", duration(totalMs)],
    ...(rate === undefined ? [] : [/** @type {[PlainWord, string]} */ (["tokensPerSecond", number(rate)])]),
    ["usage", usage ? words.tokens(number(usage.prompt), number(usage.completion), usage.estimated) : words.notCounted],
  ];
}

/**
 * @param {PlainWord} word
 * @param {string} value
 */
function row(word, value) {
  const pair = document.createElement("div");
  const name = document.createElement("dt");
  const text = document.createElement("dd");
  say(name, word);
  text.textContent = value;
  pair.append(name, text);
  return pair;
}

/** @param {number} ms */
function duration(ms) {
  const seconds = new Intl.NumberFormat(words.tag, {
    style: "unit",
    unit: "second",
    maximumFractionDigits: ms < 10_000 ? 2 : 1,
  });
  return seconds.format(ms / 1000);
}

/** @param {number} value */
function number(value) {
  return new Intl.NumberFormat(words.tag, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}
