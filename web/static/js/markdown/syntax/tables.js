/**
 * Tables, as GitHub reads them, except for two things that models get wrong. A `|` in code or in a formula separates no
 * cells if the row then has as many cells as the header. Cells beyond the header's are kept, in the last cell.
 */

import { FormulaScanner } from "./formula_scanner.js";

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateBlock} StateBlock */
/** @typedef {{ code: boolean, formulas: boolean }} Opaque what is not split */

const DELIMITERS = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;
const SPLITS = [
  { code: true, formulas: true },
  { code: true, formulas: false },
  { code: false, formulas: false },
];
const MAX_CELLS = 20_000; // of all rows together: short rows are filled up

/** For markdown-it's `use`: replaces its rule. @param {MarkdownIt} md */
export function tables(md) {
  md.block.ruler.at("table", rule, { alt: ["paragraph", "reference"] });
}

/**
 * @param {StateBlock} state
 * @param {number} startLine
 * @param {number} endLine
 * @param {boolean} silent
 */
function rule(state, startLine, endLine, silent) {
  if (startLine + 2 > endLine || !beginsCell(state, startLine) || !beginsCell(state, startLine + 1)) return false;
  const delimiters = lineText(state, startLine + 1);
  if (!/[|:]/.test(delimiters) || !DELIMITERS.test(delimiters)) return false;
  const aligns = splitRow(delimiters, { code: false, formulas: false }).map(alignment);
  const text = lineText(state, startLine);
  const header = text.includes("|") ? cellsOf(text, aligns.length) : [];
  if (header.length !== aligns.length) return false;
  if (silent) return true;
  const { parentType } = state;
  state.parentType = "table";
  const table = state.push("table_open", "table", 1);
  state.push("thead_open", "thead", 1);
  pushRow(state, startLine, "th", header, aligns);
  state.push("thead_close", "thead", -1);
  const end = pushBody(state, startLine + 2, endLine, aligns);
  state.push("table_close", "table", -1);
  table.map = [startLine, end];
  state.parentType = parentType;
  state.line = end;
  return true;
}

/**
 * @param {StateBlock} state
 * @param {number} startLine
 * @param {number} endLine
 * @param {string[]} aligns
 * @returns {number} the line after the body
 */
function pushBody(state, startLine, endLine, aligns) {
  const terminators = state.md.block.ruler.getRules("blockquote");
  let line = startLine;
  for (; line < endLine; line++) {
    const text = lineText(state, line);
    if (!beginsCell(state, line) || text === "" || (line - startLine) * aligns.length > MAX_CELLS) break;
    if (terminators.some((terminates) => terminates(state, line, endLine, true))) break;
    if (line === startLine) state.push("tbody_open", "tbody", 1);
    const cells = cellsOf(text, aligns.length);
    const kept = cells.slice(0, aligns.length);
    const beyond = cells.slice(aligns.length).filter((cell) => cell !== "");
    if (beyond.length > 0) kept.push([kept.pop(), ...beyond].join(" | "));
    while (kept.length < aligns.length) kept.push("");
    pushRow(state, line, "td", kept, aligns);
  }
  if (line > startLine) state.push("tbody_close", "tbody", -1);
  return line;
}

/**
 * @param {StateBlock} state
 * @param {number} line
 * @param {"th" | "td"} tag
 * @param {string[]} cells
 * @param {string[]} aligns
 */
function pushRow(state, line, tag, cells, aligns) {
  state.push("tr_open", "tr", 1).map = [line, line + 1];
  for (const [index, cell] of cells.entries()) {
    const open = state.push(`${tag}_open`, tag, 1);
    if (aligns[index]) open.attrs = [["align", aligns[index]]];
    const inline = state.push("inline", "", 0);
    inline.content = cell;
    inline.children = [];
    state.push(`${tag}_close`, tag, -1);
  }
  state.push("tr_close", "tr", -1);
}

/**
 * @param {string} row
 * @param {number} count of the columns
 * @returns {string[]} the cells, of the first way to split that gives so many
 */
function cellsOf(row, count) {
  if (!/[`$\\]/.test(row)) return splitRow(row, { code: false, formulas: false });
  const splits = SPLITS.map((opaque) => splitRow(row, opaque));
  return splits.find((cells) => cells.length === count) ?? splits[1] ?? [];
}

/**
 * @param {string} row
 * @param {Opaque} opaque
 * @returns {string[]}
 */
function splitRow(row, { code, formulas }) {
  const scanner = new FormulaScanner(row);
  const lastRuns = new Map(Array.from(code ? row.matchAll(/`+/g) : [], (run) => [run[0].length, run.index]));
  /** @type {string[]} */
  const cells = [];
  let cell = "";
  for (let at = 0; at < row.length; ) {
    const character = row.charAt(at);
    let end = at + 1;
    if (character === "|") {
      cells.push(cell.trim());
      cell = "";
      at = end;
      continue;
    }
    if (character === "\\" && row[at + 1] === "|") {
      cell += "|";
      at += 2;
      continue;
    }
    if (formulas && (character === "$" || character === "\\")) end = scanner.formulaAt(at)?.end ?? end;
    if (character === "\\" && end === at + 1) end = at + 2;
    if (character === "`") end = code ? codeEnd(row, at, lastRuns) : end;
    cell += row.slice(at, end).replaceAll("\\|", "|");
    at = end;
  }
  cells.push(cell.trim());
  if (row.startsWith("|")) cells.shift();
  if (cells.length > 0 && cells.at(-1) === "" && row.endsWith("|")) cells.pop();
  return cells;
}

/**
 * @param {string} row
 * @param {number} at the index of a run of backticks
 * @param {Map<number, number>} lastRuns where the last run of each length begins
 * @returns {number} the end of the code span, or of the run if there is none
 */
function codeEnd(row, at, lastRuns) {
  const length = runLength(row, at);
  if ((lastRuns.get(length) ?? -1) <= at) return at + length;
  for (let from = row.indexOf("`", at + length); from >= 0; from = row.indexOf("`", from)) {
    const found = runLength(row, from);
    from += found;
    if (found === length) return from;
  }
  return at + length;
}

/**
 * @param {string} text
 * @param {number} at
 */
function runLength(text, at) {
  let end = at;
  while (text[end] === "`") end++;
  return end - at;
}

/** @param {string} cell of the delimiter row */
function alignment(cell) {
  if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
  return cell.startsWith(":") ? "left" : "";
}

/**
 * @param {StateBlock} state
 * @param {number} line
 */
function beginsCell(state, line) {
  const indent = /** @type {number} */ (state.sCount[line]) - state.blkIndent;
  return indent >= 0 && indent < 4;
}

/**
 * @param {StateBlock} state
 * @param {number} line
 */
function lineText(state, line) {
  const start = /** @type {number} */ (state.bMarks[line]) + /** @type {number} */ (state.tShift[line]);
  return state.src.slice(start, state.eMarks[line]).trim();
}
