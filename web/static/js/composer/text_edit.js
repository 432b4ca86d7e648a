/** Changes the text of a field as typing does, so that the browser's undo takes the change back. */

import { prepareFor } from "../ui/quick_field.js";

/**
 * @param {HTMLTextAreaElement} field fires `input`
 * @param {number} start
 * @param {number} end
 * @param {string} text replaces what is between them; the caret is then after it
 */
export function replaceText(field, start, end, text) {
  prepareFor(field, text);
  const { activeElement } = document;
  field.focus({ preventScroll: true }); // the command edits what has the focus
  field.setSelectionRange(start, end);
  const isDone = document.execCommand(text === "" ? "delete" : "insertText", false, text);
  // `setRangeText` and `value` empty the undo history, so they are only for browsers and states that refuse the command
  if (!isDone && !(text === "" && start === end)) field.setRangeText(text, start, end, "end");
  if (activeElement instanceof HTMLElement && activeElement !== field && activeElement !== document.body) {
    activeElement.focus({ preventScroll: true });
  }
}

/**
 * Inserts a text at the caret as a paragraph of its own.
 * @param {HTMLTextAreaElement} field
 * @param {string} text
 */
export function insertParagraph(field, text) {
  const { value, selectionStart, selectionEnd } = field;
  const before = value.slice(0, selectionStart).trimEnd();
  const after = value.slice(selectionEnd).trimStart();
  replaceText(field, selectionStart, selectionEnd, `${gap(value.slice(0, selectionStart), before)}${text}${after ? "\n\n" : "\n"}`);
  if (!after) field.scrollTop = field.scrollHeight; // to the caret, where the question goes
}

/**
 * @param {string} first
 * @param {string} second
 */
export function joinParagraphs(first, second) {
  return first && second ? `${first}\n\n${second}` : first || second;
}

/**
 * @param {string} before the text before the caret
 * @param {string} trimmed without white space at its end
 * @returns {string} what makes a new paragraph after it
 */
function gap(before, trimmed) {
  if (trimmed === "") return "";
  return "\n".repeat(Math.max(0, 2 - (before.slice(trimmed.length).split("\n").length - 1)));
}
