/** A plain button of the page, and the one that copies. Their words follow the language. */

import { writeClipboard } from "../browser/clipboard.js";
import { setLabel, setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** The event of a button that says how copying went, for the reader who does not see it. */
export const COPY_ENDED = "copyended";

const SHOWN_MS = 2000; // long enough to be read

/**
 * @param {TextKey} key
 * @param {string} name its class
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
 * @param {string} symbol instead of a word
 * @param {TextKey} key what it is called, for readers of the spoken page
 * @param {string} name its class
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
 * @param {string} name its class
 * @param {() => string} text
 */
export function copyButton(key, name, text) {
  const button = quietButton(key, name, () => void copyText(button, text()));
  return button;
}

/**
 * @param {HTMLButtonElement} button one whose key was given by `say`; shows whether it worked, for a moment
 * @param {string} text
 */
export async function copyText(button, text) {
  const initialKey = /** @type {TextKey} */ (button.dataset.initialKey ?? button.dataset.text);
  button.dataset.initialKey = initialKey; // a second press comes while the button says how the first one went
  try {
    await writeClipboard(text);
    setText(button, "copied");
  } catch {
    setText(button, "copyFailed");
  }
  button.dispatchEvent(new Event(COPY_ENDED, { bubbles: true }));
  setTimeout(() => setText(button, initialKey), SHOWN_MS);
}
