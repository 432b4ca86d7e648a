/**
 * Formulas as tokens of the Markdown parser. Each becomes an element with its exact source as text, which the
 * sanitiser handles like any text. `../mathematics.js` typesets it later.
 */

import { FormulaScanner } from "./formula_scanner.js";
import { isProseBetweenBrackets } from "./prose.js";

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateBlock} StateBlock */
/** @typedef {import("markdown-it").StateInline} StateInline */

const OPENS = /^(?:\$\$(?!\$)|\\\[|\\begin\{)/;
const TAIL = /^[ \t.,;:]*$/;

/** @type {WeakMap<StateInline, FormulaScanner>} */
const scanners = new WeakMap();

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function formulas(md) {
  const { escapeHtml } = md.utils;
  md.block.ruler.before("fence", "formula_block", blockRule, { alt: ["paragraph", "reference", "blockquote", "list"] });
  md.inline.ruler.before("escape", "formula", inlineRule);
  md.renderer.rules["formula_block"] = (tokens, index) => {
    const { content = "", info = "" } = tokens[index] ?? {};
    return `<div class="${info === "open" ? "formula-open" : "formula"}">${escapeHtml(content)}</div>\n`;
  };
  md.renderer.rules["formula"] = (tokens, index) => {
    const { content = "", info = "" } = tokens[index] ?? {};
    return `<span class="${info === "display" ? "formula formula-display" : "formula"}">${escapeHtml(content)}</span>`;
  };
}

/**
 * @param {StateInline} state
 * @param {boolean} silent
 */
function inlineRule(state, silent) {
  const character = state.src.charAt(state.pos);
  if (character !== "$" && character !== "\\") return false;
  let scanner = scanners.get(state);
  if (!scanner) scanners.set(state, (scanner = new FormulaScanner(state.src)));
  const formula = scanner.formulaAt(state.pos, state.posMax);
  if (!formula) return false;
  if (!silent) {
    const token = state.push("formula", "", 0);
    token.content = state.src.slice(state.pos, formula.end);
    token.info = formula.display ? "display" : "";
  }
  state.pos = formula.end;
  return true;
}

/**
 * A formula in lines of its own. As in TeX, it has no empty line, so an unclosed `$$` affects one paragraph only.
 *
 * @param {StateBlock} state
 * @param {number} startLine
 * @param {number} endLine
 * @param {boolean} silent
 */
function blockRule(state, startLine, endLine, silent) {
  const indent = /** @type {number} */ (state.sCount[startLine]) - state.blkIndent;
  const first = lineText(state, startLine);
  if (indent >= 4 || !OPENS.test(first)) return false;
  let end = startLine + 1;
  while (end < endLine && !state.isEmpty(end) && /** @type {number} */ (state.sCount[end]) >= state.blkIndent) end++;
  const source = state.getLines(startLine, end, state.blkIndent, false).trimStart();
  const scanner = new FormulaScanner(source);
  const close = scanner.closeAt(0);
  const formula = scanner.formulaAt(0);
  let content = source;
  if (formula) {
    const after = source.indexOf("\n", formula.end);
    const tail = source.slice(formula.end, after < 0 ? source.length : after);
    if (!TAIL.test(tail)) return false; // the paragraph's inline formula
    content = source.slice(0, formula.end) + tail.trim();
    end = startLine + source.slice(0, formula.end).split("\n").length;
  } else if (close >= 0 || end < state.lineMax || !scanner.openerAt(0) || isProseBetweenBrackets(source.slice(2))) {
    return false;
  }
  if (silent) return true;
  const token = state.push("formula_block", "", 0);
  token.map = [startLine, end];
  token.content = content;
  token.info = formula ? "" : "open";
  state.line = end;
  return true;
}

/**
 * @param {StateBlock} state
 * @param {number} line
 */
function lineText(state, line) {
  const start = /** @type {number} */ (state.bMarks[line]) + /** @type {number} */ (state.tShift[line]);
  return state.src.slice(start, state.eMarks[line]);
}
