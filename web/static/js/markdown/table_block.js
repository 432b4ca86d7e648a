/**
 * Tables, each in a box that scrolls. A browser lays out the whole table for each new row, so a very long table is
 * split into several tables with the same column widths.
 */

import { texts } from "../i18n/language.js";

/**
 * @typedef {object} GrowingTable a table that more rows may be appended to
 * @property {Element} container the table's body, or its box if the next rows need a new table
 * @property {ChildNode | null} last the last settled node in the container
 */

// In letters. A short cell does not wrap, so that a number stays with its unit; a long one is not made narrow.
const SHORT = 16;
const LONG = 60;
/** A number with a currency or a unit, such as "24.30 %", "€ 5" or "1 200 km". */
const AMOUNT = /^\P{N}{0,4}\d[\d\s.,'’]*[^\s\d]{0,5}$/u;
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/gu;
// Of a printed page, and between two columns: words that have room within an equal share of the page are not broken there.
const PAGE = 78;
const GAP = 2.5;
const LONGEST = 40; // of a word, in letters: addresses and the like are broken in any printed table
const MOST = 2_000; // of a cell that is looked at
const MAX_ROWS = 300; // a browser lays out this many in 2 ms

/**
 * @param {Element} table
 * @returns {HTMLElement} a box with the table, which scrolls sideways, also by keyboard
 */
export function scrollableTable(table) {
  const box = document.createElement("div");
  box.className = "table";
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  const shown = /** @type {HTMLTableElement} */ (table.cloneNode(true));
  const share = PAGE / (shown.rows[0]?.cells.length || 1) - GAP;
  for (const cell of shown.querySelectorAll("th, td")) {
    const text = cell.textContent ?? "";
    const width = widthOf(text);
    const longest = text.length <= MOST ? longestWord(text) : Infinity;
    if (longest <= share) cell.classList.add("whole-words");
    else if (longest > LONGEST) cell.classList.add("broken-words");
    if (width <= SHORT) cell.classList.add("short", ...(AMOUNT.test(text) ? ["amount"] : []));
    else if (width >= LONG) cell.classList.add("long");
  }
  box.append(shown);
  nameTable(box, 1, 1);
  return box;
}

/**
 * Names a table for assistive technology.
 * @param {Element} box
 * @param {number} number among the tables of its text
 * @param {number} count
 */
export function nameTable(box, number, count) {
  box.setAttribute("aria-label", texts.tableName(number, count));
}

/** @param {string} text @returns {number} in letters; between CJK characters, lines may end */
function longestWord(text) {
  return Math.max(...text.split(/\s/).flatMap((word) => word.split(WIDE).map(({ length }) => length)));
}

/** @param {string} text @returns {number} in letters; CJK characters are twice as wide */
function widthOf(text) {
  return text.length + (text.length < LONG ? (text.match(WIDE)?.length ?? 0) : 0);
}

/**
 * @param {Element} box the box of a settled table
 * @returns {GrowingTable}
 */
export function growingTable(box) {
  const table = /** @type {HTMLTableElement} */ (box.lastElementChild);
  const container = table.rows.length < MAX_ROWS ? (table.tBodies[0] ?? table.createTBody()) : box;
  return { container, last: container.lastChild };
}

/**
 * @param {GrowingTable} table
 * @param {Element} next a box with a table of the header and the next rows
 * @returns {DocumentFragment} what to append to the container
 */
export function rowsToAppend({ container }, next) {
  const rows = document.createDocumentFragment();
  const table = /** @type {HTMLTableElement} */ (next.lastElementChild);
  if (container.matches("tbody")) {
    rows.append(...(table.tBodies[0]?.childNodes ?? []));
    return rows;
  }
  const first = /** @type {HTMLTableElement} */ (container.firstElementChild);
  if (!first.matches(".fixed")) fixColumns(first);
  table.tHead?.remove();
  table.prepend(/** @type {Element} */ (first.querySelector("colgroup")).cloneNode(true));
  table.className = "fixed";
  table.setAttribute("width", first.getAttribute("width") ?? "");
  rows.append(table);
  return rows;
}

/**
 * Renews cells in their place: later parts have appended further rows, and look at these tables.
 * @param {Element[]} shown boxes of tables, tables or rows
 * @param {Element[]} renewed the same as they are now, without rows of later parts
 * @returns {Element[]} the rows with new cells
 */
export function renewCells(shown, renewed) {
  const source = renewed.flatMap(rowsIn);
  const rows = shown.flatMap(rowsIn).slice(0, source.length);
  rows.forEach((row, index) => row.replaceChildren(...(source[index]?.childNodes ?? [])));
  return rows;
}

/** @param {Element} element @returns {Element[]} */
function rowsIn(element) {
  if (element instanceof HTMLTableElement) return [...element.rows];
  return element.matches("tr") ? [element] : [...element.children].flatMap(rowsIn);
}

/**
 * Sets the widths as attributes, because the Content-Security-Policy refuses styles that are cloned.
 * @param {HTMLTableElement} table
 */
function fixColumns(table) {
  const columns = document.createElement("colgroup");
  for (const cell of table.rows[0]?.cells ?? []) {
    const column = document.createElement("col");
    column.setAttribute("width", String(Math.ceil(cell.getBoundingClientRect().width)));
    columns.append(column);
  }
  const { width } = table.getBoundingClientRect();
  table.prepend(columns);
  table.className = "fixed";
  table.setAttribute("width", String(Math.ceil(width)));
}
