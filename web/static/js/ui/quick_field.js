/**
 * Keeps a text field quick to edit. Chromium looks for a place to break a run of CJK punctuation again at each edit, which
 * takes seconds for 200,000 characters: 3.9 of the 4.1 s of a paste were its layout. Where breaks are allowed anywhere, it
 * need not look.
 */

import { hasLongPunctuation } from "./long_runs.js";

const CLASS = "break-anywhere";

/**
 * Watches what the reader types and pastes.
 * @param {HTMLTextAreaElement} field
 */
export function keepQuick(field) {
  field.addEventListener("beforeinput", ({ data, dataTransfer }) =>
    prepareFor(field, data ?? dataTransfer?.getData("text/plain") ?? ""),
  );
  field.addEventListener("input", () => prepareFor(field, ""));
}

/**
 * Call before a script changes the text: the browser lays it out with the change.
 * @param {HTMLTextAreaElement} field
 * @param {string} text to be put into it
 */
export function prepareFor(field, text) {
  field.classList.toggle(CLASS, hasLongPunctuation(text) || hasLongPunctuation(field.value));
}
