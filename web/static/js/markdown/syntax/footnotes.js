/**
 * Footnotes: `[^label]` in a text and `[^label]: ...` as a block. A definition stays where it was written, because an
 * answer is rendered part by part. It is remembered among the link definitions, with `^` before its label. While an answer
 * grows, a number, or a word at the end of another, is shown as a reference before its definition, which usually comes last:
 * the text then stays where it is.
 */

import { EXPECTED } from "../text_links.js";

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateBlock} StateBlock */

const REFERENCE = /\[\^([^\s[\]]{1,100})\]/y;
const DEFINITION = /^\[\^([^\s[\]]{1,100})\]:/;
const NUMBER = /^\d{1,3}$/;
const WORD = /^(?!.-.$)[\p{L}\p{N}][\p{L}\p{N}\p{M}_.:-]*$/u; // in a regular expression, `[^a-z]` is a class
const INDENT = 2; // columns before the further lines of a definition

/** @param {string} label normalised @returns {boolean} whether it may have been shown as a reference that was expected */
export function mayBeExpected(label) {
  return label.startsWith("^") && WORD.test(label.slice(1));
}

/**
 * @param {string} label
 * @param {string} [before] the character before the reference
 */
function isExpected(label, before = " ") {
  return NUMBER.test(label) || (WORD.test(label) && !/\s/.test(before));
}

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function footnotes(md) {
  const { escapeHtml, normalizeReference } = md.utils;
  md.inline.ruler.before("link", "footnote", (state, silent) => {
    if (!state.src.startsWith("[^", state.pos)) return false;
    REFERENCE.lastIndex = state.pos;
    const [raw = "", label = ""] = REFERENCE.exec(state.src) ?? [];
    const { references = {} } = state.env;
    const isDefined = Boolean(references[normalizeReference(`^${label}`)]);
    if (!raw || state.pos + raw.length > state.posMax) return false;
    if (!isDefined && !(references[EXPECTED] && isExpected(label, state.src[state.pos - 1]))) return false;
    if (!silent) state.push(isDefined ? "footnote" : "footnote_expected", "", 0).content = label;
    state.pos += raw.length;
    return true;
  });
  md.block.ruler.before("reference", "footnote_definition", definition, { alt: ["paragraph", "reference"] });
  md.renderer.rules["footnote"] = (tokens, index) =>
    `<sup class="footnote-reference">${escapeHtml(tokens[index]?.content ?? "")}</sup>`;
  md.renderer.rules["footnote_expected"] = (tokens, index) => `<sup>${escapeHtml(tokens[index]?.content ?? "")}</sup>`;
  md.renderer.rules["footnote_open"] = (tokens, index) =>
    `<div class="footnote"><sup class="footnote-label">${escapeHtml(tokens[index]?.info ?? "")}</sup>\n`;
  md.renderer.rules["footnote_close"] = () => "</div>\n";

  /**
   * @param {StateBlock} state
   * @param {number} startLine
   * @param {number} endLine
   * @param {boolean} silent
   */
  function definition(state, startLine, endLine, silent) {
    const { bMarks, eMarks, tShift, sCount } = state;
    const lineStart = /** @type {number} */ (bMarks[startLine]);
    const shift = /** @type {number} */ (tShift[startLine]);
    const indent = /** @type {number} */ (sCount[startLine]);
    if (indent - state.blkIndent >= 4) return false;
    const [opening = "", label = ""] = DEFINITION.exec(state.src.slice(lineStart + shift, eMarks[startLine])) ?? [];
    if (!opening) return false;
    if (silent) return true;
    const open = state.push("footnote_open", "div", 1);
    open.info = label;
    const key = normalizeReference(`^${label}`);
    open.meta = { label: key };
    /** @type {Record<string, { href: string, title: string }>} */
    const references = (state.env.references ??= {});
    references[key] ??= { href: "", title: "" };
    const content = lineStart + shift + opening.length;
    bMarks[startLine] = content;
    tShift[startLine] = state.skipSpaces(content) - content;
    state.blkIndent += INDENT;
    sCount[startLine] = state.blkIndent;
    const { parentType } = state;
    state.parentType = "footnote";
    state.line = startLine + 1; // if the definition is empty
    state.md.block.tokenize(state, startLine, endLine);
    state.parentType = parentType;
    state.blkIndent -= INDENT;
    bMarks[startLine] = lineStart;
    tShift[startLine] = shift;
    sCount[startLine] = indent;
    state.line = Math.max(state.line, startLine + 1);
    open.map = [startLine, state.line];
    state.push("footnote_close", "div", -1);
    return true;
  }
}
