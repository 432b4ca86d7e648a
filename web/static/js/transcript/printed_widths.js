/**
 * In print nothing scrolls. What may be wider than the page is measured before it is printed: the style sheet then makes
 * its type as small as the width of the page demands.
 */

import { writeInLine } from "./printed_fractions.js";
import { removeStrips, splitIntoStrips } from "./printed_strips.js";

const MAY_BE_WIDE = 400; // pixels; less has room on any page
/** In letters' heights. What needs more has type of less than 7 points on A4: words and matrices are broken instead. */
const MOST = 66;

/** @param {HTMLElement} log */
export function measureForPrint(log) {
  measureTables([...log.querySelectorAll(".table > table")]);
  const formulas = /** @type {NodeListOf<HTMLElement>} */ (log.querySelectorAll(".formula:has(.katex)"));
  for (const formula of formulas) formula.classList.add("measured");
  formulas.forEach(measureFormula);
  for (const formula of formulas) formula.classList.remove("measured");
}

/** Removes what `measureForPrint` has set. @param {HTMLElement} log */
export function forgetWidths(log) {
  for (const element of log.querySelectorAll(".to-fit")) {
    element.classList.remove("to-fit");
    element.removeAttribute("style");
  }
  for (const table of log.querySelectorAll("table.whole")) table.classList.remove("whole");
  removeStrips(log);
}

/** @param {Element[]} elements */
function measureTables(elements) {
  const tables = /** @type {HTMLTableElement[]} */ (elements);
  for (const table of tables) table.classList.add("measured");
  const widths = tables.map(narrowestWidth); // all after all changes: one layout
  for (const table of tables) table.classList.remove("measured");
  tables.forEach((table, index) => {
    const need = needOf(table, widths[index] ?? 0);
    setNeed(/** @type {HTMLElement} */ (table.parentElement), need);
    table.classList.toggle("whole", need <= MOST);
  });
}

/** @param {HTMLTableElement} table */
function narrowestWidth(table) {
  if (!table.matches(".fixed")) return table.offsetWidth;
  const cells = [...(table.rows[0]?.cells ?? [])].map(({ offsetWidth }) => offsetWidth);
  return Math.max(...cells) * cells.length; // its columns have one width in print
}

/** @param {HTMLElement} formula */
function measureFormula(formula) {
  const size = parseFloat(getComputedStyle(/** @type {Element} */ (formula.querySelector(".katex"))).fontSize);
  const parts = [...formula.querySelectorAll(".katex-base")].map((part) => {
    const { width } = part.getBoundingClientRect();
    if (width <= MOST * size) return width;
    const narrower = splitIntoStrips(part, MOST * size);
    return narrower < width ? narrower : writeInLine(part, MOST * size);
  });
  const widest = Math.max(0, ...parts); // between them, lines may end
  setNeed(formula, widest < MAY_BE_WIDE ? 0 : Math.ceil(widest + 1) / size);
}

/**
 * @param {Element} element
 * @param {number} width in pixels
 * @returns {number} the width in heights of its letters
 */
function needOf(element, width) {
  return Math.ceil(width + 1) / parseFloat(getComputedStyle(element).fontSize);
}

/**
 * @param {HTMLElement} element
 * @param {number} need 0 if it has room on any page
 */
function setNeed(element, need) {
  if (need === 0) return;
  element.classList.add("to-fit");
  element.style.setProperty("--need", String(need));
}
