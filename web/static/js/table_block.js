/** Tables: each in a box that scrolls, and a long one in pieces, as a browser lays out a whole table at each new row. */

import { label } from "./language.js";

const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;

/**
 * @param {Element} table
 * @returns {HTMLElement} a box with the table, which scrolls when the table is wide, also by keyboard
 */
export function scrollable(table) {
  const box = document.createElement("div");
  box.className = "table";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  label(box, "tableLabel");
  // its columns run from the right in a table that begins so; `auto` would not look into cells that say their own
  if (RIGHT_TO_LEFT.test(table.textContent ?? "")) box.dir = "rtl";
  box.append(table.cloneNode(true));
  return box;
}

/**
 * The next piece of a table, to be put below the others: without the head, with columns as wide as those above.
 *
 * @param {Element} box of the table that goes on
 * @param {Element} next the box that holds the next rows below the head again
 * @returns {DocumentFragment}
 */
export function tablePiece(box, next) {
  const first = /** @type {HTMLTableElement} */ (box.querySelector("table"));
  const piece = document.createDocumentFragment();
  const table = /** @type {HTMLTableElement} */ (next.querySelector("table"));
  if (!first.classList.contains("fixed")) fixColumns(first);
  table.tHead?.remove();
  table.prepend(/** @type {Element} */ (first.querySelector("colgroup")).cloneNode(true));
  table.className = "fixed";
  table.setAttribute("width", first.getAttribute("width") ?? "");
  piece.append(table);
  return piece;
}

/** By attributes: the Content-Security-Policy refuses styles that are copied. @param {HTMLTableElement} table */
function fixColumns(table) {
  const columns = document.createElement("colgroup");
  for (const cell of table.rows[0]?.cells ?? []) {
    const column = document.createElement("col");
    column.setAttribute("width", String(Math.ceil(cell.getBoundingClientRect().width)));
    columns.append(column);
  }
  const width = table.getBoundingClientRect().width;
  table.prepend(columns);
  table.classList.add("fixed");
  table.setAttribute("width", String(Math.ceil(width)));
}
