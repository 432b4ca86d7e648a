/**
 * Tables: each in a box that scrolls. A very long one is several, one below the other, with the same columns: at each
 * new row a browser lays out the whole table.
 */

import { label } from "../i18n/language.js";

/**
 * @typedef {object} GrowingTable a table that more rows may come to
 * @property {Element} container what takes in the rows: the table's body, or its box where another table has to begin
 * @property {ChildNode | null} last what is settled in there
 */

const MAX_ROWS = 300; // a browser lays out this many in 2 ms

/**
 * @param {Element} table
 * @returns {HTMLElement} a box with the table, which scrolls when the table is wide, also by keyboard
 */
export function scrollableTable(table) {
  const box = document.createElement("div");
  box.className = "table";
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  label(box, "tableLabel");
  box.append(table.cloneNode(true));
  return box;
}

/**
 * @param {Element} box of a table, which is settled
 * @returns {GrowingTable}
 */
export function growingTable(box) {
  const table = /** @type {HTMLTableElement} */ (box.lastElementChild);
  const container = table.rows.length < MAX_ROWS ? (table.tBodies[0] ?? table.createTBody()) : box;
  return { container, last: container.lastChild };
}

/**
 * @param {GrowingTable} open
 * @param {Element} next a box with a table of the next rows below the head again
 * @returns {DocumentFragment} what of it is to be put into the open one
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

/** By attributes: the Content-Security-Policy refuses styles that are copied. @param {HTMLTableElement} table */
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
