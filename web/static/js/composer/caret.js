/** Tells whether the caret of a text field is on its first or last line, counting wrapped lines. */

const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));

/** @param {HTMLTextAreaElement} field */
export function isCaretOnFirstLine(field) {
  const { value, selectionStart: caret, selectionEnd } = field;
  if (caret !== selectionEnd) return false;
  if (caret === 0) return true;
  const [first = ""] = value.split("\n", 1);
  return caret <= first.length && fitsOneLine(first, field);
}

/** @param {HTMLTextAreaElement} field */
export function isCaretOnLastLine(field) {
  const { value, selectionStart, selectionEnd: caret } = field;
  if (caret !== selectionStart) return false;
  if (caret === value.length) return true;
  const start = value.lastIndexOf("\n") + 1;
  return caret >= start && fitsOneLine(value.slice(start), field);
}

/**
 * Measures the text, because a text field does not report where it wraps.
 * @param {string} line
 * @param {HTMLTextAreaElement} field
 */
function fitsOneLine(line, field) {
  const style = getComputedStyle(field);
  const width = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  // skips measuring long lines: no letter is narrower than a pixel
  if (line.length > width) return false;
  context.font = style.font;
  return context.measureText(line).width <= width;
}
