/** Completes the delimiter row of an unfinished table, so that it is shown as a table from its first cell on. */

const HEADER = /^[ \t]*\| /; // the space is required: |x| at the start of a line is no table
const DELIMITERS = /^[ \t]*\|[ \t:|-]*$/;

/**
 * @param {string} source
 * @returns {string}
 */
export function completeTable(source) {
  const lines = source.split("\n");
  const [third = "", second = "", last = ""] = ["", "", ...lines].slice(-3);
  if (last === "" && HEADER.test(second) && !isRow(third)) return `${source}${delimiters(second)}`;
  if (HEADER.test(last) && !DELIMITERS.test(last) && !isRow(second)) return `${source}\n${delimiters(last)}`;
  if (DELIMITERS.test(last) && HEADER.test(second) && !isRow(third) && !matches(last, second)) {
    return [...lines.slice(0, -1), delimiters(second)].join("\n");
  }
  return source;
}

/** @param {string} line */
function isRow(line) {
  return /^[ \t]*\|/.test(line);
}

/** @param {string} row */
function cells(row) {
  return row.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/);
}

/** @param {string} header */
function delimiters(header) {
  const indent = /^[ \t]*/.exec(header)?.[0] ?? "";
  return `${indent}|${"---|".repeat(cells(header).length)}`;
}

/**
 * @param {string} row of delimiters
 * @param {string} header
 */
function matches(row, header) {
  const parts = cells(row);
  return parts.length === cells(header).length && parts.every((part) => /^\s*:?-+:?\s*$/.test(part));
}
