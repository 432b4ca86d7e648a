/**
 * Closes what the end of a growing Markdown text has left open, so that the reader sees `**bold` bold at once, and
 * no sign that will mean something else with the next word. Pure: text in, text out. Only what the last block shows
 * for the moment is changed, never the answer.
 */

import { wholeTable } from "./unfinished_table.js";

const ITEM = /(?:[-*+]|\d{1,9}[.)])/.source;
/** A last line of which only the sign has come: of an item, a heading, a fence, an underline, a row. */
const BARE_SIGN = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(?:${ITEM}|#{1,6}|[-=*_]+|\`{1,2}|~{1,2}|\\|)?[ \\t]*$`);
const BARE_NUMBER = /^[ \t>]*\d{1,9}$/; // of the next item, where it stands below another line
const BARE_BOX = new RegExp(`^[ \\t>]*${ITEM}[ \\t]+\\[[ xX]?\\]?[ \\t]*$`);
const FENCE = new RegExp(`^[ \\t>]*(?:${ITEM}[ \\t]+)*(\`{3,}|~{3,})(.*)$`);
const BLOCK_SIGNS = new RegExp(`^[ \\t]*(?:(?:>|${ITEM})[ \\t]+|>)*(?:\\[[ xX]\\][ \\t]+|#{1,6}[ \\t]+)?`);
const ONE_LINE = /^[ \t>]*(?:#{1,6}[ \t]|\||`{3}|~{3})/;
const MAX_TAG = 300; // characters; a longer `<...` is no tag on its way

/**
 * @typedef {{ sign: string, count: number, at: number }} Opener an emphasis or a bracket in what is shown so far
 */

/**
 * @param {string} source begins at a block
 * @returns {string}
 */
export function closed(source) {
  const fence = openFence(source);
  if (fence) return fence.isLastLine ? source.slice(0, fence.start) : source.replace(/\n[ \t>]*(?:`+|~+)[ \t]*$/, "\n");
  const line = source.lastIndexOf("\n") + 1;
  const lastLine = source.slice(line);
  const isBare = BARE_SIGN.test(lastLine) || BARE_BOX.test(lastLine) || (line > 0 && BARE_NUMBER.test(lastLine));
  if (isBare) source = source.slice(0, line);
  const start = leafStart(source);
  return wholeTable(source.slice(0, start) + closedInline(source.slice(start)));
}

/**
 * @param {string} source
 * @returns {{ start: number, isLastLine: boolean } | null} the fence that the end of the text is in
 */
function openFence(source) {
  /** @type {{ start: number, sign: string } | null} */
  let open = null;
  let start = 0;
  for (const line of source.split("\n")) {
    const [, sign = "", info = ""] = FENCE.exec(line) ?? [];
    if (open) {
      if (sign.startsWith(open.sign) && info.trim() === "") open = null;
    } else if (sign && !(sign.startsWith("`") && info.includes("`"))) {
      open = { start, sign };
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
  while (start > 0 && !BLOCK_SIGNS.exec(source.slice(start))?.[0].trim()) {
    const above = source.lastIndexOf("\n", start - 2) + 1;
    const line = source.slice(above, start - 1);
    if (line.trim() === "" || ONE_LINE.test(line)) break;
    start = above;
  }
  const leaf = source.slice(start);
  if (/^[ \t]*\|/.test(leaf)) return start + leaf.search(/[^|]*$/); // the last cell of a row
  return start + (BLOCK_SIGNS.exec(leaf)?.[0].length ?? 0);
}

/**
 * @param {string} text
 * @returns {string} with what is open closed, and without what cannot be shown before its end has come
 */
function closedInline(text) {
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
      return closedEmphasis(shown, open) + rest; // a block of its own, which shows its TeX
    }
    if (run.startsWith("`") && length < 0) return closedCode(shown, rest, run, open);
    if (length < 0) break;
    if (length === 0 && rest.startsWith("](") && open.some(({ sign }) => sign === "[")) {
      length = /^\]\((?:[^()\\]|\\[^]|\([^()]*\))*\)/.exec(rest)?.[0].length ?? 0;
      const bracket = open.findLastIndex(({ sign }) => sign === "[");
      const inside = open.splice(bracket).slice(1);
      if (length === 0) return closedEmphasis(closedEmphasis(shown, inside) + "]()", open);
    } else if (length === 0 && run) {
      length = run.length;
      if (!takeRun(open, run, shown, rest.slice(length)) && length === rest.length) break;
    } else if (length === 0) {
      length = 1;
      if (rest.startsWith("[")) open.push({ sign: "[", count: 1, at: shown.length });
      if (rest.startsWith("]")) open.splice(Math.max(0, open.findLastIndex(({ sign }) => sign === "[")));
    }
    shown += rest.slice(0, length);
    at += length;
  }
  return closedEmphasis(shown, open);
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
function takeRun(open, run, before, after) {
  const sign = run.charAt(0);
  const wordBefore = /[\p{L}\p{N}]$/u.test(before);
  let count = run.length;
  if (/\S$/.test(before)) {
    for (let last = findLast(open, sign); count > 0 && last >= 0; last = findLast(open, sign)) {
      const opener = /** @type {Opener} */ (open[last]);
      const used = Math.min(count, opener.count);
      count -= used;
      opener.count -= used;
      open.length = opener.count > 0 ? last + 1 : last;
    }
  }
  // a single `*` or `_` inside a word is a product or a name
  const opens = /^\S/.test(after) && !(wordBefore && (sign === "_" || (sign === "*" && run.length === 1)));
  if (count > 0 && opens) open.push({ sign, count, at: before.length });
  return count < run.length;
}

/**
 * @param {Opener[]} open
 * @param {string} sign
 */
function findLast(open, sign) {
  return open.findLastIndex((opener) => opener.sign === sign);
}

/**
 * @param {string} shown
 * @param {string} rest begins with the run
 * @param {string} run of backticks
 * @param {Opener[]} open
 */
function closedCode(shown, rest, run, open) {
  const code = rest.slice(run.length).replace(/`+$/, "");
  return closedEmphasis(code.trim() === "" ? shown : `${shown}${run}${code}${run}`, open);
}

/**
 * @param {string} shown
 * @param {Opener[]} open
 */
function closedEmphasis(shown, open) {
  if (open.length === 0) return shown;
  shown = shown.trimEnd();
  for (const { sign, count, at } of open.toReversed()) {
    if (sign === "[") shown = shown.slice(0, at) + shown.slice(at + 1);
    else shown += sign.repeat(count);
  }
  return shown;
}
