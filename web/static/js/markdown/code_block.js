/** Code blocks, with the name of their language and a copy button. */

import { iconButton } from "../ui/button.js";
import { setCode } from "./code_lines.js";
import { setText, texts } from "../i18n/language.js";
import { setSource } from "./patch.js";

const PLAIN_TEXT = new Set(["text", "txt", "plain", "plaintext"]);
/** Names of highlight.js that are words of English, or a list. */
const NAMES = new Map([
  ["Shell Session", "Shell"],
  ["TOML, also INI", "TOML, INI"],
]);

/**
 * @param {string} language empty if unknown
 * @returns {{ figure: HTMLElement, code: HTMLElement }}
 */
export function createCodeBlock(language) {
  const figure = document.createElement("figure");
  const pre = document.createElement("pre");
  const code = document.createElement("code");
  figure.className = "code";
  figure.dir = "ltr"; // also in a right-to-left answer
  if (language) code.className = `language-${language}`;
  pre.tabIndex = 0; // long lines scroll, also by keyboard
  pre.setAttribute("role", "group");
  pre.append(code);
  figure.append(header(language), pre);
  nameCode(figure);
  return { figure, code };
}

/** Replaces a `pre > code` by a code block. @param {Element} code not yet in the page */
export function wrapCode(code) {
  const block = createCodeBlock(languageOf(code));
  setCode(block.code, code.textContent ?? "");
  code.parentElement?.replaceWith(block.figure);
}

/** @param {Element} code */
export function languageOf(code) {
  return /\blanguage-([\w+#.-]+)/.exec(code.className)?.[1] ?? "";
}

/**
 * @param {Element} code
 * @param {string} name the display name of its language, such as "Python"
 */
export function showLanguageName(code, name) {
  const figure = code.closest("figure");
  const label = figure?.querySelector("figcaption > span");
  const shown = NAMES.get(name) ?? name;
  if (!figure || !label || label.hasAttribute("data-text") || label.textContent === shown) return;
  label.textContent = shown;
  nameCode(figure);
}

/** @type {WeakMap<Element, { number: number, count: number }>} */
const places = new WeakMap();

/**
 * Names the code for assistive technology, by its language.
 * @param {Element} figure
 * @param {{ number: number, count: number }} [place] among the code blocks of its text; the last one given if omitted
 */
export function nameCode(figure, place = places.get(figure) ?? { number: 1, count: 1 }) {
  places.set(figure, place);
  const label = figure.querySelector("figcaption > span");
  const language = label?.getAttribute("data-text") === "codeLabel" ? "" : (label?.textContent ?? "");
  figure.querySelector("pre")?.setAttribute("aria-label", texts.codeName(language, place.number, place.count));
}

/** @param {string} language */
function header(language) {
  const row = document.createElement("figcaption");
  setSource(row, language); // the page changes its texts later: a display name, "Copied"
  const name = document.createElement("span");
  if (PLAIN_TEXT.has(language)) setText(name, "plainText");
  else if (language) name.textContent = language;
  else setText(name, "codeLabel");
  const wrap = iconButton("text-wrap", "wrapLines", "wrap-code");
  wrap.ariaPressed = "false";
  row.append(name, wrap, iconButton("copy", "copy", "copy-code"));
  return row;
}
