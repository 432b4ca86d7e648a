/**
 * Closes constructs that the end of a growing Markdown text leaves open. The reader sees `**bold` in bold at once, and
 * no marker whose meaning the next token may change. This affects the provisional view of the last block only, never
 * the stored answer. The work is linear in the length of the text.
 */

import { characterBefore } from "./syntax/delimiters.js";
import { FormulaScanner } from "./syntax/formula_scanner.js";
import { INLINE_TAG, MAX_OPEN_TAGS } from "./syntax/raw_html.js";
import { completeTable } from "./unfinished_table.js";

const ITEM = /(?:[-*+]|\d{1,9}[.)])/.source;
/** A last line with nothing but a marker: of an item, a heading, a fence, an underline, a row. */
const BARE_MARKER = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(?:${ITEM}|#{1,6}|[-=*_]+|\`{1,2}|~{1,2}|\\|)?[ \\t]*$`);
const BARE_NUMBER = /^[ \t>]*\d{1,9}$/; // perhaps the number of the next item, if it is not the first line
const BARE_BOX = new RegExp(`^[ \\t>]*${ITEM}[ \\t]+\\[[ xX]?\\]?[ \\t]*$`);
const BARE_CALLOUT = /^[ \t]*>[ \t]*\[(?:![\w-]{0,30}\]?)?$/;
const BARE_FOOTNOTE = /(?:\[\^\d{0,3}|(?<=\S)\[\^[\p{L}\p{N}\p{M}_.:-]{0,40})$/u; // its mark is not complete: see syntax/footnotes.js
const FENCE = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(\`{3,}|~{3,})(.*)$`);
const MARKDOWN = /^[ \t]*(?:markdown|md|mdx)\b/i;
const BLOCK_MARKERS = new RegExp(`^[ \\t]*(?:(?:>|${ITEM})[ \\t]+|>)*(?:\\[[ xX]\\][ \\t]+|#{1,6}[ \\t]+)?`);
const ONE_LINE = /^[ \t>]*(?:#{1,6}[ \t]|\||`{3}|~{3})/;
const MAX_HIDDEN = 300; // characters; a longer tag or formula is no unfinished one, and its source is shown

const PLAIN = /[^\\`*_~$<![\]]+/y;
const RUN = /`+|\*+|_+|~+/y;
const TAG = /<[^<>\n]*>/y;
const TAG_BEGUN = /<(?:[/a-z!?][^<>\n]*)?$/iy;
const ENVIRONMENT_BEGUN = /\\b(?:e|eg|egi|egin|egin\{[A-Za-z]*\*?)?$/y;
const TARGET = /\]\((?:[^()\\]|\\[^]|\([^()]*\))*\)/y;
const LETTER = /[\p{L}\p{N}]/u;
const WORD = /[A-Za-z0-9]/;

/**
 * @typedef {{ marker: string, count: number, at: number }} Opener an open emphasis or bracket; `at` is its index in
 *   the shown text
 */

/**
 * @param {string} source begins at a block
 * @returns {string}
 */
export function closeUnfinished(source) {
  const fence = openFence(source);
  if (fence) return fence.isLastLine ? source.slice(0, fence.start) : source.replace(/\n[ \t>]*(?:`+|~+)[ \t]*$/, "\n");
  const line = source.lastIndexOf("\n") + 1;
  const lastLine = source.slice(line);
  if (isBareMarker(lastLine, line === 0) || BARE_BOX.test(lastLine) || BARE_CALLOUT.test(lastLine)) source = source.slice(0, line);
  const start = leafStart(source);
  return completeTable(source.slice(0, start) + new InlineCloser(source.slice(start)).close());
}

/**
 * Returns whether a line that is not complete may become the marker of a block.
 *
 * @param {string} line
 * @param {boolean} isFirst of its block
 */
export function isBareMarker(line, isFirst) {
  return BARE_MARKER.test(line) || (!isFirst && BARE_NUMBER.test(line));
}

/**
 * @param {string} source
 * @returns {{ start: number, isLastLine: boolean } | null} the fence that is open at the end of the source
 */
function openFence(source) {
  /** @type {{ start: number, marker: string, nests: boolean, depth: number } | null} */
  let open = null;
  let start = 0;
  for (const line of source.split("\n")) {
    const [, marker = "", info = ""] = FENCE.exec(line) ?? [];
    if (open) {
      if (marker.startsWith(open.marker)) {
        if (info.trim() === "") open = open.depth-- === 0 ? null : open;
        else if (open.nests && !info.includes("`")) open.depth++;
      }
    } else if (marker && !(marker.startsWith("`") && info.includes("`"))) {
      open = { start, marker, nests: MARKDOWN.test(info), depth: 0 };
    }
    start += line.length + 1;
  }
  return open && { start: open.start, isLastLine: !source.includes("\n", open.start) };
}

/**
 * Returns where the last inline text begins: markers in earlier items, rows and paragraphs are not closed.
 * @param {string} source
 */
function leafStart(source) {
  let start = source.lastIndexOf("\n") + 1;
  while (start > 0 && !BLOCK_MARKERS.exec(source.slice(start))?.[0].trim()) {
    const above = source.lastIndexOf("\n", start - 2) + 1;
    const line = source.slice(above, start - 1);
    if (line.trim() === "" || ONE_LINE.test(line)) break;
    start = above;
  }
  const leaf = source.slice(start);
  if (/^[ \t]*\|/.test(leaf)) return source.lastIndexOf("|") + 1; // the last cell of a row
  return start + (BLOCK_MARKERS.exec(leaf)?.[0].length ?? 0);
}

/** Closes the open constructs of an inline text, and removes those that cannot be shown unfinished. */
class InlineCloser {
  #text;
  #formulas;
  #lastBackticks;
  /** @type {Opener[]} */
  #open = [];
  #openBrackets = 0;
  #openTags = 0;
  #shown = "";
  #at = 0;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
    this.#formulas = new FormulaScanner(text);
    this.#lastBackticks = lastRuns(text);
  }

  close() {
    while (this.#at < this.#text.length) {
      const end = this.#step();
      if (end !== null) return end;
    }
    return closeEmphasis(this.#shown, this.#open);
  }

  /** Reads one construct. @returns {string | null} the result, if the text ends here */
  #step() {
    const text = this.#text;
    const at = this.#at;
    const character = text.charAt(at);
    const plain = match(PLAIN, text, at);
    if (plain) return this.#take(plain.length);
    if (character === "$" || character === "\\") return this.#formulaOrEscape(character);
    if (character === "<") return this.#tag();
    if (character === "!" && text.charAt(at + 1) === "[") return this.#image();
    if (character === "[") {
      this.#open.push({ marker: "[", count: 1, at: this.#shown.length });
      this.#openBrackets++;
      return this.#take(1);
    }
    if (character === "]") return this.#closeBracket();
    const run = match(RUN, text, at);
    if (run.startsWith("`")) return this.#code(run);
    if (run === "" || (run.startsWith("~") && run.length !== 2)) return this.#take(run.length || 1); // only `~~` strikes
    const closes = this.#applyRun(run);
    const isLast = at + run.length === text.length;
    return !closes && isLast ? closeEmphasis(this.#shown, this.#open) : this.#take(run.length);
  }

  /** @param {number} length @returns {null} */
  #take(length) {
    this.#shown += this.#text.slice(this.#at, this.#at + length);
    this.#at += length;
    return null;
  }

  /** @returns {string} without the rest of the text */
  #hideRest() {
    return closeEmphasis(this.#shown, this.#open);
  }

  /** @param {string} character */
  #formulaOrEscape(character) {
    const text = this.#text;
    const at = this.#at;
    const formula = this.#formulas.formulaAt(at);
    if (formula) return this.#take(formula.end - at);
    const opener = this.#formulas.openerAt(at);
    const isUnfinished = opener !== "" && opener !== "$" && this.#formulas.closeAt(at) < 0;
    const beginsLine = at === 0 || text[at - 1] === "\n";
    if (isUnfinished && beginsLine && opener !== "\\(") {
      return closeEmphasis(this.#shown, this.#open) + text.slice(at); // shown as its source until it is complete
    }
    if (isUnfinished && text.length - at <= MAX_HIDDEN) return this.#hideRest();
    if (character === "\\" && (at + 1 === text.length || match(ENVIRONMENT_BEGUN, text, at))) return this.#hideRest();
    return this.#take(character === "\\" ? 2 : 1);
  }

  #tag() {
    const tag = match(TAG, this.#text, this.#at);
    const [, slash, name = ""] = INLINE_TAG.exec(tag) ?? [];
    const marker = `</${name}>`;
    if (name && !slash && this.#openTags < MAX_OPEN_TAGS) {
      this.#open.push({ marker, count: 1, at: this.#shown.length });
      this.#openTags++;
    }
    const opener = slash ? this.#open.findLastIndex((open) => open.marker === marker) : -1;
    if (opener >= 0) {
      this.#open.splice(opener, 1);
      this.#openTags--;
    }
    if (tag) return this.#take(tag.length);
    const isBegun = this.#text.length - this.#at <= MAX_HIDDEN && match(TAG_BEGUN, this.#text, this.#at) !== "";
    return isBegun ? this.#hideRest() : this.#take(1);
  }

  #image() {
    const text = this.#text;
    const label = text.indexOf("]", this.#at);
    if (label < 0) return this.#isShort() ? this.#hideRest() : this.#take(2);
    if (label === text.length - 1) return this.#hideRest();
    if (text[label + 1] !== "(") return this.#take(2);
    const end = text.indexOf(")", label);
    if (end >= 0) return this.#take(end + 1 - this.#at);
    return this.#isShort() || text.startsWith("(data:", label + 1) ? this.#hideRest() : this.#take(2);
  }

  #isShort() {
    return this.#text.length - this.#at <= MAX_HIDDEN;
  }

  #closeBracket() {
    if (this.#openBrackets === 0) return this.#take(1);
    const bracket = this.#open.findLastIndex(({ marker }) => marker === "[");
    const inside = this.#open.splice(bracket).slice(1);
    this.#openBrackets--;
    if (this.#text[this.#at + 1] !== "(") {
      // markers inside that close nothing stay open outside
      for (const opener of inside) this.#open.push(opener);
      return this.#take(1);
    }
    const target = match(TARGET, this.#text, this.#at);
    if (target) return this.#take(target.length);
    return closeEmphasis(`${closeEmphasis(this.#shown, inside)}]()`, this.#open);
  }

  /** @param {string} run of backticks */
  #code(run) {
    const from = this.#at + run.length;
    if ((this.#lastBackticks.get(run.length) ?? -1) >= from) {
      for (let close = this.#text.indexOf("`", from); close >= 0; close = this.#text.indexOf("`", close)) {
        const closing = match(RUN, this.#text, close);
        close += closing.length;
        if (closing === run) return this.#take(close - this.#at);
      }
    }
    const code = this.#text.slice(from).replace(/`+$/, "");
    return closeEmphasis(code.trim() === "" ? this.#shown : `${this.#shown}${run}${code}${run}`, this.#open);
  }

  /**
   * Applies a delimiter run of `*`, `_` or `~`: it closes what it can and opens the rest, roughly by CommonMark's
   * rules for flanking.
   *
   * @param {string} run
   * @returns {boolean} whether it has closed something
   */
  #applyRun(run) {
    const marker = run.charAt(0);
    const before = characterBefore(this.#text, this.#at);
    const after = this.#text.charAt(this.#at + run.length);
    let count = run.length;
    if (before.trim()) {
      for (let last = this.#open.length - 1; count > 0 && last >= 0; last--) {
        const opener = /** @type {Opener} */ (this.#open[last]);
        if (opener.marker === "[") break;
        if (opener.marker !== marker) continue;
        const used = Math.min(count, opener.count);
        count -= used;
        opener.count -= used;
        this.#open.length = opener.count > 0 ? last + 1 : last;
      }
    }
    // inside a word there is no emphasis: 2*3, x**2, snake_case
    const splitsWord = LETTER.test(before) && (marker === "_" || run === "*" || (WORD.test(before) && WORD.test(after)));
    if (count > 0 && after.trim() && !splitsWord) this.#open.push({ marker, count, at: this.#shown.length });
    return count < run.length;
  }
}

/**
 * @param {RegExp} pattern sticky
 * @param {string} text
 * @param {number} at
 * @returns {string} empty if it does not match there
 */
function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

/**
 * @param {string} text
 * @returns {Map<number, number>} where the last run of so many backticks begins
 */
function lastRuns(text) {
  return new Map(Array.from(text.matchAll(/`+/g), (run) => [run[0].length, run.index]));
}

/**
 * @param {string} shown
 * @param {Opener[]} open
 */
function closeEmphasis(shown, open) {
  if (open.length === 0) return shown;
  const text = shown.trimEnd().replace(BARE_FOOTNOTE, "");
  /** @type {string[]} */
  const closing = [];
  const brackets = [];
  for (const { marker, count, at } of open.toReversed()) {
    if (marker === "[") brackets.push(at);
    else closing.push(marker.repeat(count));
  }
  let from = 0;
  let kept = "";
  for (const at of brackets.toReversed()) {
    kept += text.slice(from, at);
    from = at + 1;
  }
  return kept + text.slice(from) + closing.join("");
}
