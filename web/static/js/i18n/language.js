/**
 * The page's language: the one that the reader chose, or else the application's, or else the browser's: Chinese or English.
 * All visible texts are in this folder.
 */

import { DETAIL_TEXTS } from "./detail_texts.js";
import { DIALOG_TEXTS } from "./dialog_texts.js";
import { FILE_TEXTS } from "./file_texts.js";
import { IMAGE_TEXTS } from "./image_texts.js";
import { MARKDOWN_TEXTS } from "./markdown_texts.js";
import { TOOL_TEXTS } from "./tool_texts.js";
import { CHINESE } from "./chinese.js";
import { ENGLISH } from "./english.js";
import { frame, preferredLanguages, root } from "../browser/page_root.js";

/**
 * @typedef {typeof ENGLISH & import("./detail_texts.js").DetailTexts & import("./dialog_texts.js").DialogTexts &
 *   import("./file_texts.js").FileTexts & import("./image_texts.js").ImageTexts & import("./markdown_texts.js").MarkdownTexts &
 *   import("./tool_texts.js").ToolTexts} Texts
 */
/** @typedef {"" | "en" | "zh-CN"} LanguageChoice empty for the application's or the browser's language */
/** @typedef {{ [Key in keyof Texts]: Texts[Key] extends string ? Key : never }[keyof Texts]} TextKey */

const PARTS = [DETAIL_TEXTS, DIALOG_TEXTS, FILE_TEXTS, IMAGE_TEXTS, MARKDOWN_TEXTS, TOOL_TEXTS];
/** @type {Texts} */
const ALL_ENGLISH = Object.assign({}, ENGLISH, ...PARTS.map((part) => part.ENGLISH));
/** @type {Texts} */
const ALL_CHINESE = Object.assign({}, CHINESE, ...PARTS.map((part) => part.CHINESE));

/** The texts of the current language. A change of language replaces this object, so keep no reference to it. */
export let texts = textsFor(preferredLanguages());

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Readers of Traditional Chinese get Simplified: there is no other Chinese.
 * @param {readonly string[]} preferred language tags, the most preferred first
 * @returns {Texts}
 */
export function textsFor(preferred) {
  const first = preferred.find((tag) => /^(zh|en)\b/i.test(tag));
  return first && /^zh\b/i.test(first) ? ALL_CHINESE : ALL_ENGLISH;
}

/**
 * Changes the language of the page at once: of all elements that `translate` finds, then through the listeners.
 * @param {LanguageChoice} choice
 */
export function useLanguage(choice) {
  const chosen = textsFor(choice ? [choice] : preferredLanguages());
  if (chosen === texts) return;
  texts = chosen;
  translate();
  for (const listener of listeners) listener();
}

/** @param {() => void} listener called after each change of language, to update texts with variable parts */
export function onLanguageChange(listener) {
  listeners.add(listener);
}

/**
 * @param {string} text
 * @param {number} most characters: code points, as the server counts
 * @returns {string} what is wrong with a text that is too long; empty for others
 */
export function tooLong(text, most) {
  const excess = text.length > most ? [...text].length - most : 0;
  return excess > 0 ? texts.tooLong(most, roughly(excess)) : "";
}

/** @param {number} count @returns {number} rounded up, so that an alert with it does not change with each letter */
function roughly(count) {
  const digits = String(count).length;
  const step = 10 ** Math.max(digits > 1 ? 1 : 0, digits - 2);
  return Math.ceil(count / step) * step;
}

/**
 * Sets an element's text, and keeps it in the current language.
 * @param {Element} element
 * @param {TextKey} key
 */
export function setText(element, key) {
  element.setAttribute("data-text", key);
  // a change of text, to the same one as well, ends what Chromium takes back by one undo in a field
  if (element.textContent !== texts[key]) element.textContent = texts[key];
}

/**
 * Sets an element's accessible name, and keeps it in the current language.
 * @param {Element} element
 * @param {TextKey} key
 */
export function setLabel(element, key) {
  element.setAttribute("data-label", key);
  element.setAttribute("aria-label", texts[key]);
}

/**
 * Writes the texts of the current language into the page. `data-text`, `data-label` and `data-placeholder` hold the keys
 * of an element's texts.
 */
export function translate() {
  frame.lang = texts.tag;
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = textFor(element.getAttribute("data-text"));
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", textFor(element.getAttribute("data-label")));
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) {
    element.setAttribute("placeholder", textFor(element.getAttribute("data-placeholder")));
  }
}

/** @param {string | null} key */
function textFor(key) {
  const value = texts[/** @type {keyof Texts} */ (key)];
  if (typeof value !== "string") throw new Error(`No text for ${key}.`);
  return value;
}
