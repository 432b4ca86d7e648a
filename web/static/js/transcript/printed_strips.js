/**
 * Matrices that are too wide for a printed page go on in further lines, between two of their columns. What else is too
 * wide and has no place to break, such as a root, has smaller type.
 */

const MATRIX = ".mtable:not(.mtable *)"; // and no matrix in a matrix
const COLUMN = "[class^=col-align]";
const IN_STRIPS = "in-strips";
const SLACK = 1.02; // type of another size has other widths, by the rounding of its letters

/**
 * Puts copies of a part of a formula behind it, each with some of its columns. The style sheet shows them in print, in
 * the place of the part.
 * @param {Element} part without a place to break
 * @param {number} most width of a copy, in pixels
 * @returns {number} the width of the widest copy, in pixels; that of the part if it is not one matrix
 */
export function splitIntoStrips(part, most) {
  const { left, right, width } = part.getBoundingClientRect();
  const matrices = part.querySelectorAll(MATRIX);
  if (matrices.length !== 1) return width;
  const columns = [.../** @type {Element} */ (matrices[0]).querySelectorAll(`:scope > ${COLUMN}`)].map((each) => each.getBoundingClientRect());
  // where a column begins: the first and the last one have what is beside the matrix
  const begins = columns.map((each, index) => (index === 0 ? left : each.left));
  const firsts = [0];
  const widths = [0];
  begins.forEach((begin, index) => {
    const end = begins[index + 1] ?? right;
    if (index > 0 && end - (begins[firsts.at(-1) ?? 0] ?? 0) > most / SLACK) {
      firsts.push(index);
      widths.push(0);
    }
    widths[widths.length - 1] = end - (begins[firsts.at(-1) ?? 0] ?? begin);
  });
  if (firsts.length === 1) return width;
  part.after(...firsts.map((first, index) => strip(part, first, firsts[index + 1] ?? Infinity)));
  part.classList.add(IN_STRIPS);
  return Math.max(...widths) * SLACK;
}

/** Removes what `splitIntoStrips` and `writeInLine` have added. @param {Element} root */
export function removeStrips(root) {
  for (const each of root.querySelectorAll(".strip")) each.remove();
  for (const part of root.querySelectorAll(`.${IN_STRIPS}`)) part.classList.remove(IN_STRIPS);
}

/**
 * @param {Element} part
 * @param {number} first index of the columns in the strip
 * @param {number} end index of the first column behind it
 */
function strip(part, first, end) {
  const copy = /** @type {HTMLElement} */ (part.cloneNode(true));
  copy.classList.add("strip");
  const matrix = /** @type {Element} */ (copy.querySelector(MATRIX));
  const columns = matrix.querySelectorAll(`:scope > ${COLUMN}`);
  const beginning = columns[first];
  const behind = columns[end];
  if (first > 0 && beginning) removeBeside(beginning, copy, "previousElementSibling");
  if (behind) {
    removeBeside(behind, copy, "nextElementSibling");
    behind.remove();
  }
  return copy;
}

/**
 * Removes what is on one side of an element, up to the edge of the formula. Struts stay, and what is above or below it.
 * @param {Element} element
 * @param {Element} root
 * @param {"previousElementSibling" | "nextElementSibling"} side
 */
function removeBeside(element, root, side) {
  for (let up = element; up !== root && up.parentElement; up = up.parentElement) {
    if (up.parentElement.matches(".vlist, .vlist-r, .vlist-t")) continue;
    for (let next = up[side]; next; ) {
      const present = next;
      next = next[side];
      if (!present.matches(".katex-strut, .pstrut")) present.remove();
    }
  }
}
