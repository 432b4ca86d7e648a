/** Blocks of code: their colours, their language's name, and the button that copies them. */

import { say, words } from "./language.js";

/** @typedef {import("./libraries.js").Highlighter} Highlighter */

// Measured in Chromium on a slow machine: colouring this much takes 30 ms.
const MAX_COLOURED_CHARS = 20_000;

/**
 * @param {Element} code a `pre > code` that is not yet in the page
 * @param {Highlighter | null} highlighter
 */
export function dressCode(code, highlighter) {
  const language = /\blanguage-([\w+#.-]+)/.exec(code.className)?.[1] ?? "";
  const text = code.textContent ?? "";
  const grammar = language ? highlighter?.getLanguage(language) : undefined;
  if (highlighter && grammar && text.length <= MAX_COLOURED_CHARS) {
    // its output is the escaped text with spans around, and nothing else
    code.innerHTML = highlighter.highlight(text, { language, ignoreIllegals: true }).value;
  }
  const pre = /** @type {HTMLElement} */ (code.parentElement);
  const figure = document.createElement("figure");
  figure.className = "code";
  pre.replaceWith(figure);
  pre.tabIndex = 0; // long lines scroll, also by keyboard
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", language ? `${words.codeLabel}, ${language}` : words.codeLabel);
  figure.append(header(grammar?.name ?? language), pre);
}

/** @param {string} language */
function header(language) {
  const row = document.createElement("figcaption");
  const name = document.createElement("span");
  name.textContent = language;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet copy-code";
  say(button, "copy");
  row.append(name, button);
  return row;
}
