/**
 * Fractions that are too wide for a printed page are written in one line, as (a + b)/(c + d), which ends after operators.
 * No style can do so: each row of a fraction has a height of nothing and a place of its own.
 */

const FRACTION = ":scope > .mord > .mfrac"; // not in a root or between brackets, which would have to go around lines
const OPERATOR = ".mbin, .mrel, .mpunct";
/** What leaves a fraction in one line as it is. Beside anything else, such as sin, it needs brackets around it. */
const APART = `${OPERATOR}, .mopen, .mclose, .mspace, .katex-strut`;

/**
 * Puts a copy of a part of a formula behind it, with its wide fractions in one line. The style sheet shows it in print,
 * in the place of the part. `removeStrips` removes it.
 * @param {Element} part without a place to break
 * @param {number} most width of a fraction, in pixels
 * @returns {number} the width of what has no place to break in the copy, in pixels; that of the part if it has no such fraction
 */
export function writeInLine(part, most) {
  const { width } = part.getBoundingClientRect();
  const copy = /** @type {HTMLElement} */ (part.cloneNode(true));
  const copies = copy.querySelectorAll(FRACTION);
  let saved = 0;
  part.querySelectorAll(FRACTION).forEach((fraction, index) => {
    const before = fraction.getBoundingClientRect().width;
    const [below, above] = [rowOf(fraction, "first"), rowOf(fraction, "last")];
    if (before <= most || !below || !above || !fraction.querySelector(":scope > .vlist-t > .vlist-r > .vlist > span > .frac-line")) return;
    const after = Math.max(widestPiece(above), widestPiece(below)) * (sizeOf(part) / sizeOf(above));
    const inCopy = copies[index];
    if (after > before / 2 || !inCopy) return;
    saved += before - after;
    const isApart = [...part.children].every((each) => each.matches(APART) || each.contains(fraction));
    const written = [...inLine(rowOf(inCopy, "last")), "/", ...inLine(rowOf(inCopy, "first"))];
    inCopy.replaceWith(...(isApart ? written : ["(", ...written, ")"]));
  });
  if (saved === 0) return width;
  copy.querySelector(":scope > .katex-strut")?.remove(); // as high as the fraction was
  copy.classList.add("strip", "in-line");
  part.after(copy);
  part.classList.add("in-strips");
  return width - saved;
}

/**
 * @param {Element} fraction
 * @param {"first" | "last"} which the first row is below the line
 * @returns {Element | null} what is in the row, in type of its size
 */
function rowOf(fraction, which) {
  return fraction.querySelector(`:scope > .vlist-t > .vlist-r > .vlist > span:${which}-child > :not(.pstrut)`);
}

/** @param {Element} row @returns {Element} what has the row's letters and operators as its children */
function contentOf(row) {
  const only = row.children.length === 1 ? row.firstElementChild : null;
  return only?.matches(".mord, .katex-sizing") && only.children.length > 0 ? contentOf(only) : row;
}

/** @param {Element} element @returns {number} of its type, in pixels */
function sizeOf(element) {
  return parseFloat(getComputedStyle(element).fontSize);
}

/** @param {Element} row @returns {number} the width of its widest piece without a place to break, in pixels */
function widestPiece(row) {
  let widest = 0;
  let begin = null;
  for (const each of contentOf(row).children) {
    const { left, right } = each.getBoundingClientRect();
    begin ??= left;
    widest = Math.max(widest, right - begin);
    if (each.matches(OPERATOR)) begin = null;
  }
  return widest;
}

/** @param {Element | null} row of a copy @returns {(Element | string)[]} */
function inLine(row) {
  if (!row) return [];
  const content = contentOf(row);
  const isLong = content.children.length > 1;
  // in one line, its type is not smaller
  for (let each = content; ; each = each.parentElement ?? row) {
    each.classList.remove("katex-sizing");
    if (each === row) break;
  }
  for (const operator of content.querySelectorAll(`:scope > :is(${OPERATOR})`)) {
    const space = operator.nextElementSibling;
    (space?.matches(".mspace") ? space : operator).after(document.createElement("wbr"));
  }
  return isLong ? ["(", row, ")"] : [row];
}
