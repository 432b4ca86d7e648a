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
