/**
 * The page's language: the one that the reader chose, or else the application's, or else the browser's: Chinese or English.
 * All visible texts are in this folder: those that a part of the page needs later are in files of their own.
 */

import { CHINESE } from "./chinese.js";
import { ENGLISH } from "./english.js";
import { frame, preferredLanguages, root } from "../browser/page_root.js";

/**
 * Those of a part that is loaded later are there once it has imported them.
 * @typedef {typeof ENGLISH & import("./detail_texts.js").DetailTexts & import("./dialog_texts.js").DialogTexts &
 *   import("./file_texts.js").FileTexts & import("./image_texts.js").ImageTexts & import("./markdown_texts.js").MarkdownTexts &
 *   import("./tool_texts.js").ToolTexts} Texts
 */
/** @typedef {"" | "en" | "zh-CN"} LanguageChoice empty for the application's or the browser's language */
/** @typedef {{ [Key in keyof Texts]: Texts[Key] extends string ? Key : never }[keyof Texts]} TextKey */

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
  return /** @type {Texts} */ (first && /^zh\b/i.test(first) ? CHINESE : ENGLISH);
}

/**
 * Adds the texts of a part of the page that is loaded later.
 * @param {Partial<Texts>} english
 * @param {Partial<Texts>} chinese
 */
export function addTexts(english, chinese) {
  Object.assign(ENGLISH, english);
  Object.assign(CHINESE, chinese);
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
  element.textContent = texts[key];
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
