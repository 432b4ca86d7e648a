/** Creates buttons whose texts follow the language. */

import { writeClipboard } from "../browser/clipboard.js";
import { setLabel, setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** A bubbling event after copying: the text of its target is the result. */
export const COPY_ENDED = "copyended";

const SHOWN_MS = 2000; // long enough to be read

/**
 * @param {TextKey} key
 * @param {string} name the class
 * @param {() => void} onPress
 */
export function quietButton(key, name, onPress) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  setText(element, key);
  element.addEventListener("click", onPress);
  return element;
}

/**
 * @param {string} symbol the visible text
 * @param {TextKey} key the accessible name
 * @param {string} name the class
 * @param {() => void} onPress
 */
export function symbolButton(symbol, key, name, onPress) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  element.textContent = symbol;
  setLabel(element, key);
  element.addEventListener("click", onPress);
  return element;
}

/**
 * @param {TextKey} key
 * @param {string} name the class
 * @param {() => string} text
 * @param {() => Promise<string> | undefined} [html] the same as rich text
 */
export function copyButton(key, name, text, html) {
  const button = quietButton(key, name, () => void copyText(button, text(), html?.()));
  return button;
}

/**
 * @param {HTMLButtonElement} button its text must be set by `setText`; shows the result for a moment
 * @param {string} text
 * @param {Promise<string>} [html] the same as rich text
 */
export async function copyText(button, text, html) {
  const initialKey = /** @type {TextKey} */ (button.dataset.initialKey ?? button.dataset.text);
  button.dataset.initialKey = initialKey; // on a second click, `data-text` may still be "copied"
  try {
    await writeClipboard(text, html);
    setText(button, "copied");
  } catch {
    setText(button, "copyFailed");
  }
  button.dispatchEvent(new Event(COPY_ENDED, { bubbles: true }));
  setTimeout(() => setText(button, initialKey), SHOWN_MS);
}
