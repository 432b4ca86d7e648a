/** A plain button of the page, and the one that copies. Their words follow the language. */

import { writeClipboard } from "../browser/clipboard.js";
import { label, say } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").PlainWord} PlainWord */

/** The event of a button that says how copying went, for the reader who does not see it. */
export const COPY_ENDED = "copyended";

const SHOWN_MS = 2000; // long enough to be read

/**
 * @param {PlainWord} word
 * @param {string} name its class
 * @param {() => void} press
 */
export function quietButton(word, name, press) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  say(element, word);
  element.addEventListener("click", press);
  return element;
}

/**
 * @param {string} sign instead of a word
 * @param {PlainWord} word what it is called, for readers of the spoken page
 * @param {string} name its class
 * @param {() => void} press
 */
export function signButton(sign, word, name, press) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  element.textContent = sign;
  label(element, word);
  element.addEventListener("click", press);
  return element;
}

/**
 * @param {PlainWord} word
 * @param {string} name its class
 * @param {() => string} text
 */
export function copyButton(word, name, text) {
  const button = quietButton(word, name, () => void copyText(button, text()));
  return button;
}

/**
 * @param {HTMLButtonElement} button one whose word was given by `say`; shows whether it worked, for a moment
 * @param {string} text
 */
export async function copyText(button, text) {
  const resting = /** @type {PlainWord} */ (button.dataset.resting ?? button.dataset.text);
  button.dataset.resting = resting; // a second press comes while the button says how the first one went
  try {
    await writeClipboard(text);
    say(button, "copied");
  } catch {
    say(button, "copyFailed");
  }
  button.dispatchEvent(new Event(COPY_ENDED, { bubbles: true }));
  setTimeout(() => say(button, resting), SHOWN_MS);
}
