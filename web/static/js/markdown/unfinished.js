/**
 * Closes what the end of a growing Markdown text has left open, so that the reader sees `**bold` bold at once, and
 * no marker that will mean something else with the next word. Pure: text in, text out. Only what the last block shows
 * for the moment is changed, never the answer.
 */

import { completeTable } from "./unfinished_table.js";

const ITEM = /(?:[-*+]|\d{1,9}[.)])/.source;
/** A last line of which only the marker has come: of an item, a heading, a fence, an underline, a row. */
const BARE_MARKER = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(?:${ITEM}|#{1,6}|[-=*_]+|\`{1,2}|~{1,2}|\\|)?[ \\t]*$`);
const BARE_NUMBER = /^[ \t>]*\d{1,9}$/; // of the next item, where it stands below another line
const BARE_BOX = new RegExp(`^[ \\t>]*${ITEM}[ \\t]+\\[[ xX]?\\]?[ \\t]*$`);
const FENCE = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(\`{3,}|~{3,})(.*)$`);
const BLOCK_MARKERS = new RegExp(`^[ \\t]*(?:(?:>|${ITEM})[ \\t]+|>)*(?:\\[[ xX]\\][ \\t]+|#{1,6}[ \\t]+)?`);
const ONE_LINE = /^[ \t>]*(?:#{1,6}[ \t]|\||`{3}|~{3})/;
const MAX_TAG = 300; // characters; a longer `<...` is no tag on its way

/**
 * @typedef {{ marker: string, count: number, at: number }} Opener an emphasis or a bracket in what is shown so far
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
 * @returns {{ start: number, isLastLine: boolean } | null} the fence that the end of the text is in
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
 * Where the last run of inline text begins. What is open in an earlier item, row or paragraph stays so.
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
 * @returns {string} with what is open closed, and without what cannot be shown before its end has come
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
      return closeEmphasis(shown, open) + rest; // a block of its own, which shows its TeX
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
 * @returns {number} the length of what stands at its start and holds no emphasis of the text around it; 0 where
 *   there is nothing of the kind, -1 where it has begun and its end has not come
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
 * A run of `*`, `_` or `~` closes what it can and opens the rest, roughly as CommonMark's rules for flanking say.
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
  // a single `*` or `_` inside a word is a product or a name
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
