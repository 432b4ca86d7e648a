/**
 * The page's language: Chinese where the browser prefers Chinese, English otherwise, or the one that the reader chose.
 * Every visible word is in `english.js` and `chinese.js`.
 */

import { CHINESE } from "./chinese.js";
import { ENGLISH } from "./english.js";

/** @typedef {typeof ENGLISH} Words */
/** @typedef {"" | "en" | "zh-CN"} LanguageChoice empty for the browser's own */
/** @typedef {{ [Key in keyof Words]: Words[Key] extends string ? Key : never }[keyof Words]} PlainWord */

/** The words of the language in use. Another language is another object: read it anew for each use. */
export let words = wordsFor(navigator.languages);

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * @param {readonly string[]} preferred language tags, the most wanted first
 * @returns {Words}
 */
export function wordsFor(preferred) {
  const first = preferred.find((tag) => /^(zh|en)\b/i.test(tag));
  return first && /^zh\b/i.test(first) ? CHINESE : ENGLISH;
}

/**
 * Changes the language of the page at once: of all that `translate` finds, and of what listeners write anew.
 * @param {LanguageChoice} choice
 */
export function useLanguage(choice) {
  const chosen = wordsFor(choice ? [choice] : navigator.languages);
  if (chosen === words) return;
  words = chosen;
  translate(document);
  for (const listener of listeners) listener();
}

/** @param {() => void} listener called after each change of language, for texts that are more than a plain word */
export function onLanguageChange(listener) {
  listeners.add(listener);
}

/**
 * Gives an element a text that follows the language.
 * @param {Element} element
 * @param {PlainWord} key
 */
export function say(element, key) {
  element.setAttribute("data-text", key);
  element.textContent = words[key];
}

/**
 * Gives an element a name, for readers of the spoken page, that follows the language.
 * @param {Element} element
 * @param {PlainWord} key
 */
export function label(element, key) {
  element.setAttribute("data-label", key);
  element.setAttribute("aria-label", words[key]);
}

/**
 * Writes the page's language into the document: `data-text` and `data-label` name the words an element takes.
 * @param {Document} document
 */
export function translate(document) {
  document.documentElement.lang = words.tag;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = word(element.getAttribute("data-text"));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.getAttribute("data-label")));
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.setAttribute("placeholder", word(element.getAttribute("data-placeholder")));
  }
}

/** @param {string | null} key */
function word(key) {
  const value = words[/** @type {keyof Words} */ (key)];
  if (typeof value !== "string") throw new Error(`No words for ${key}.`);
  return value;
}
