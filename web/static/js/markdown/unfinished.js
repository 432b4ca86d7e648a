/**
 * Closes constructs that the end of a growing Markdown text leaves open. The reader sees `**bold` in bold at once, and
 * no marker whose meaning the next token may change. This affects the provisional view of the last block only, never
 * the stored answer.
 */

import { completeTable } from "./unfinished_table.js";

const ITEM = /(?:[-*+]|\d{1,9}[.)])/.source;
/** A last line with nothing but a marker: of an item, a heading, a fence, an underline, a row. */
const BARE_MARKER = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(?:${ITEM}|#{1,6}|[-=*_]+|\`{1,2}|~{1,2}|\\|)?[ \\t]*$`);
const BARE_NUMBER = /^[ \t>]*\d{1,9}$/; // perhaps the number of the next item, if it is not the first line
const BARE_BOX = new RegExp(`^[ \\t>]*${ITEM}[ \\t]+\\[[ xX]?\\]?[ \\t]*$`);
const FENCE = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(\`{3,}|~{3,})(.*)$`);
const BLOCK_MARKERS = new RegExp(`^[ \\t]*(?:(?:>|${ITEM})[ \\t]+|>)*(?:\\[[ xX]\\][ \\t]+|#{1,6}[ \\t]+)?`);
const ONE_LINE = /^[ \t>]*(?:#{1,6}[ \t]|\||`{3}|~{3})/;
const MAX_TAG = 300; // characters; a longer `<...` is no unfinished tag

/**
 * @typedef {{ marker: string, count: number, at: number }} Opener an open emphasis or bracket
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
  const isBare = BARE_MARKER.test(lastLine) || BARE_BOX.test(lastLine) || (line > 0 && BARE_NUMBER.test(lastLine));
  if (isBare) source = source.slice(0, line);
  const start = leafStart(source);
  return completeTable(source.slice(0, start) + closeInline(source.slice(start)));
}

/**
 * @param {string} source
 * @returns {{ start: number, isLastLine: boolean } | null} the fence that is open at the end of the source
 */
function openFence(source) {
  /** @type {{ start: number, marker: string } | null} */
  let open = null;
  let start = 0;
  for (const line of source.split("\n")) {
    const [, marker = "", info = ""] = FENCE.exec(line) ?? [];
    if (open) {
      if (marker.startsWith(open.marker) && info.trim() === "") open = null;
    } else if (marker && !(marker.startsWith("`") && info.includes("`"))) {
      open = { start, marker };
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
  if (/^[ \t]*\|/.test(leaf)) return start + leaf.search(/[^|]*$/); // the last cell of a row
  return start + (BLOCK_MARKERS.exec(leaf)?.[0].length ?? 0);
}

/**
 * @param {string} text
 * @returns {string} the text with open constructs closed, without constructs that cannot be shown unfinished
 */
function closeInline(text) {
  /** @type {Opener[]} */
  const open = [];
  let shown = "";
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const plain = /^[^\\`*_~$<![\]]+/.exec(rest)?.[0] ?? "";
    const [run = ""] = /^(?:`+|\*+|_+|~+)/.exec(rest) ?? [];
    let length = plain.length || constructLength(rest);
    if (rest.startsWith("$$") && length < 0 && (at === 0 || text[at - 1] === "\n")) {
      return closeEmphasis(shown, open) + rest; // a display formula, shown as TeX until it is complete
    }
    if (run.startsWith("`") && length < 0) return closeCode(shown, rest, run, open);
    if (length < 0) break;
    if (length === 0 && rest.startsWith("](") && open.some(({ marker }) => marker === "[")) {
      length = /^\]\((?:[^()\\]|\\[^]|\([^()]*\))*\)/.exec(rest)?.[0].length ?? 0;
      const bracket = open.findLastIndex(({ marker }) => marker === "[");
      const inside = open.splice(bracket).slice(1);
      if (length === 0) return closeEmphasis(closeEmphasis(shown, inside) + "]()", open);
    } else if (length === 0 && run) {
      length = run.length;
      if (!applyRun(open, run, shown, rest.slice(length)) && length === rest.length) break;
    } else if (length === 0) {
      length = 1;
      if (rest.startsWith("[")) open.push({ marker: "[", count: 1, at: shown.length });
      if (rest.startsWith("]")) open.splice(Math.max(0, open.findLastIndex(({ marker }) => marker === "[")));
    }
    shown += rest.slice(0, length);
    at += length;
  }
  return closeEmphasis(shown, open);
}

/**
 * @param {string} rest
 * @returns {number} the length of the code span, formula, tag, image or escape at its start; 0 if there is none, -1 if
 *   it is unfinished
 */
function constructLength(rest) {
  /** @param {RegExp} whole @param {RegExp | boolean} begun */
  const length = (whole, begun) =>
    whole.exec(rest)?.[0].length ?? ((typeof begun === "boolean" ? begun : begun.test(rest)) ? -1 : 0);
  if (rest.startsWith("\\(")) return length(/^\\\([^]*?\\\)/, true);
  if (rest.startsWith("\\[")) return length(/^\\\[[^]*?\\\]/, true);
  if (rest.startsWith("\\")) return length(/^\\[^]/, true);
  if (rest.startsWith("`")) return length(/^(`+)(?!`)[^]*?[^`]\1(?!`)/, true);
  if (rest.startsWith("$$")) return length(/^\$\$[^]+?\$\$/, true);
  if (rest.startsWith("$")) return length(/^\$(?![\s$])(?:\\[^]|[^$\\\n])+?(?<!\s)\$(?!\d)/, false) || 1;
  if (rest.startsWith("<")) return length(/^<[^<>\n]*>/, rest.length <= MAX_TAG && /^<(?:[/a-z!?][^<>\n]*)?$/i.test(rest));
  if (rest.startsWith("![")) return length(/^!\[[^\]]*\]\([^)]*\)/, /^!\[[^\]]*(?:\](?:\([^)]*)?)?$/);
  return 0;
}

/**
 * Applies a delimiter run of `*`, `_` or `~`: it closes what it can and opens the rest, roughly by CommonMark's rules
 * for flanking.
 *
 * @param {Opener[]} open
 * @param {string} run
 * @param {string} before
 * @param {string} after
 * @returns {boolean} whether it has closed something
 */
function applyRun(open, run, before, after) {
  const marker = run.charAt(0);
  const isAfterWord = /[\p{L}\p{N}]$/u.test(before);
  let count = run.length;
  if (/\S$/.test(before)) {
    for (let last = findLast(open, marker); count > 0 && last >= 0; last = findLast(open, marker)) {
      const opener = /** @type {Opener} */ (open[last]);
      const used = Math.min(count, opener.count);
      count -= used;
      opener.count -= used;
      open.length = opener.count > 0 ? last + 1 : last;
    }
  }
  // a single `*` or `_` inside a word is no emphasis: 2*3, snake_case
  const canOpen = /^\S/.test(after) && !(isAfterWord && (marker === "_" || (marker === "*" && run.length === 1)));
  if (count > 0 && canOpen) open.push({ marker, count, at: before.length });
  return count < run.length;
}

/**
 * @param {Opener[]} open
 * @param {string} marker
 */
function findLast(open, marker) {
  return open.findLastIndex((opener) => opener.marker === marker);
}

/**
 * @param {string} shown
 * @param {string} rest begins with the run
 * @param {string} run of backticks
 * @param {Opener[]} open
 */
function closeCode(shown, rest, run, open) {
  const code = rest.slice(run.length).replace(/`+$/, "");
  return closeEmphasis(code.trim() === "" ? shown : `${shown}${run}${code}${run}`, open);
}

/**
 * @param {string} shown
 * @param {Opener[]} open
 */
function closeEmphasis(shown, open) {
  if (open.length === 0) return shown;
  shown = shown.trimEnd();
  for (const { marker, count, at } of open.toReversed()) {
    if (marker === "[") shown = shown.slice(0, at) + shown.slice(at + 1);
    else shown += marker.repeat(count);
  }
  return shown;
}
