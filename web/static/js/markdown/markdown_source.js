/**
 * The growing source of one answer, split into parts that are rendered one by one: blocks, or lines of a code block.
 *
 * A part is settled when more text cannot change it. The unsettled rest has a bounded size, so the work for each chunk
 * does not depend on the length of the answer. The splits depend on the text alone and not on how it arrived: a
 * streamed answer ends with the same nodes as one that came at once.
 */

import { FencedCode } from "./fenced_code.js";
import { depthAfter } from "./syntax/raw_html.js";
import { reportOnce } from "./report.js";
import { boundaryBefore } from "./text_boundary.js";
import { TextLinks } from "./text_links.js";
import { closeUnfinished, isBareMarker } from "./unfinished.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./parser.js").Block} Block */

/**
 * @typedef {object} BlocksPart
 * @property {"blocks"} kind
 * @property {Block[]} blocks
 * @property {boolean} continues whether the first block continues the last one of the previous part: a list, a table,
 *   or a paragraph
 *
 * @typedef {object} CodePart
 * @property {"code"} kind
 * @property {boolean} begins a new code block
 * @property {boolean} ends
 * @property {string} language
 * @property {string} text the next lines
 *
 * @typedef {{ type: string, marker: string, prefix: string }} Continuation the block that was split; `prefix`
 *   makes the rest of it parse by itself
 */

// Measured in Chromium: parsing and rendering this much takes 5 to 10 ms on a slow machine. Longer lists, tables
// and paragraphs are split and continue in the next part.
export const LONG_CHARS = 4_000;
const LONG_TABLE_CHARS = 1_000; // each cell is an element: this takes as long as four times as much text
const LONG_LINES = 250; // the same of lines, which may each be an item, a heading, or a footnote
// Any other block ends at this length, and the rest is a new block: a quotation, an item, raw HTML.
export const MAX_CHARS = 8_000;

/** A block with an embedded image is not split within the image, up to this length. */
const MAX_IMAGE_CHARS = 4_000_000;

export class MarkdownSource {
  #markdown;
  #rest = "";
  #ended = false;
  #endsWithCr = false;
  #links;
  /** @type {Continuation | null} */
  #continuation = null;
  /** @type {FencedCode | null} */
  #code = null;

  /**
   * @param {Markdown} markdown
   * @param {TextLinks} [links] of the text
   */
  constructor(markdown, links = new TextLinks()) {
    this.#markdown = markdown;
    this.#links = links;
    links.begin();
  }

  /** All link definitions so far. */
  get links() {
    return this.#links.all;
  }

  /** Appends to the source. @param {string} text split anywhere, with any line ends */
  push(text) {
    if (text === "") return;
    const piece = this.#endsWithCr && text.startsWith("\n") ? text.slice(1) : text;
    this.#endsWithCr = text.endsWith("\r");
    this.#rest += piece.replace(/\r\n?/g, "\n");
  }

  /** Marks the source as complete: `nextSettled` then returns all that is left. */
  end() {
    this.#ended = true;
    this.#links.end();
  }

  /** @returns {BlocksPart | CodePart | null} the next settled part; null if the rest may still change */
  nextSettled() {
    if (this.#code) return this.#nextLines(this.#code);
    if (!this.#continuation) this.#rest = this.#rest.replace(/^(?:[ \t]*\n)+/, "");
    if (this.#rest === "") return null;
    const code = this.#continuation ? null : FencedCode.parse(this.#rest);
    if (code) return this.#beginCode(code);
    const isTable = this.#continuation ? this.#continuation.type === "table" : /^ {0,3}\|/.test(this.#rest);
    const limit = isTable ? LONG_TABLE_CHARS : LONG_CHARS;
    const lines = endOfLines(this.#rest, LONG_LINES, limit);
    return (lines < limit ? this.#settledBefore(lines) ?? this.#splitAt(lines) : null) ?? this.#settledBefore(limit) ?? this.#split(limit);
  }

  /** @returns {BlocksPart | null} the unsettled rest, to be shown provisionally; null if there is none */
  unsettled() {
    if (this.#code || this.#rest === "") return null;
    const blocks = this.#lex(this.#closed(this.#lookahead(this.#pastImage(MAX_CHARS))));
    return { kind: "blocks", blocks, continues: this.#continuesWith(blocks) };
  }

  /** @param {number} limit how many characters of the rest to return */
  #lookahead(limit) {
    return (this.#continuation?.prefix ?? "") + this.#rest.slice(0, limit);
  }

  /**
   * As `#lookahead`, without a last line that may become the marker of a block: "2" before "2. two" belongs to the list.
   * @param {number} limit
   */
  #stableLookahead(limit) {
    const lookahead = this.#lookahead(limit);
    if (this.#ended && this.#rest.length <= limit) return lookahead;
    const line = lookahead.lastIndexOf("\n") + 1;
    return line > 0 && isBareMarker(lookahead.slice(line), false) ? lookahead.slice(0, line) : lookahead;
  }

  /** @param {string} source */
  #closed(source) {
    try {
      return closeUnfinished(source);
    } catch (error) {
      reportOnce("closing", error);
      return source;
    }
  }

  /**
   * @param {number} limit
   * @returns {number} the limit, or a greater one if an embedded image is there
   */
  #pastImage(limit) {
    const image = this.#rest.lastIndexOf("](data:image/", limit);
    if (image < 0 || this.#rest.length <= limit) return limit;
    const line = this.#rest.indexOf("\n", image);
    const end = this.#rest.indexOf(")", image);
    if (line >= 0 && (end < 0 || line < end)) return limit;
    if (end < 0) return this.#ended || this.#rest.length > MAX_IMAGE_CHARS ? limit : this.#rest.length;
    return end > MAX_IMAGE_CHARS ? limit : Math.max(limit, end + 1);
  }

  /** @param {string} text */
  #lex(text) {
    return this.#markdown.blocks(text, Object.create(this.#links.all));
  }

  /**
   * @param {number} limit how many characters of the rest to parse
   * @returns {BlocksPart | null} the blocks before the last one; at the end of the source, all blocks
   */
  #settledBefore(limit) {
    const blocks = this.#lex(this.#stableLookahead(limit));
    if (this.#ended && this.#rest.length <= limit) return this.#settle(blocks);
    const open = firstOpen(blocks);
    return open > 0 ? this.#settle(blocks.slice(0, open)) : null;
  }

  /**
   * @param {number} limit a longer block is split
   * @returns {BlocksPart | null} the beginning of a single long block
   */
  #split(limit) {
    if (this.#rest.length <= limit) return null;
    const split = this.#splitAt(limit);
    if (split) return split;
    const most = this.#pastImage(MAX_CHARS);
    const settled = this.#settledBefore(most);
    if (settled || this.#rest.length <= most) return settled;
    const end = most > MAX_CHARS ? most : this.#rest.lastIndexOf("\n", MAX_CHARS) + 1 || MAX_CHARS;
    return this.#settle(this.#lex(this.#lookahead(end)));
  }

  /**
   * @param {number} limit
   * @returns {BlocksPart | null} the beginning of a longer block that can be split
   */
  #splitAt(limit) {
    if (this.#rest.length <= limit) return null;
    const lookahead = this.#stableLookahead(limit);
    const [block] = this.#lex(lookahead);
    const split = block ? this.#splitBlock(block, lookahead, limit) : null;
    return split && this.#settle(split.blocks, split.continuation);
  }

  /**
   * @param {Block} block
   * @param {string} lookahead begins with the block
   * @param {number} limit
   * @returns {{ blocks: Block[], continuation: Continuation } | null} the part of it that cannot change
   */
  #splitBlock(block, lookahead, limit) {
    const { type, marker, starts, raw } = block;
    const last = starts.at(-1) ?? 0;
    if (type === "bullet_list" || type === "ordered_list") {
      if (starts.length < 2) return null;
      return { blocks: this.#lex(lookahead.slice(0, last)), continuation: { type, marker, prefix: "" } };
    }
    if (type === "table") {
      if (starts.length < 2) return null;
      const prefix = /^[^\n]*\n[^\n]*\n/.exec(raw)?.[0] ?? "";
      return { blocks: this.#lex(lookahead.slice(0, last)), continuation: { type, marker, prefix } };
    }
    const end = type === "paragraph" ? boundaryBefore(raw.trimEnd(), limit / 2) : 0;
    if (end === 0) return null;
    return { blocks: this.#lex(lookahead.slice(0, end)), continuation: { type, marker, prefix: "" } };
  }

  /**
   * @param {Block[]} blocks the first ones of the rest
   * @param {Continuation | null} [continuation] if the last of them continues
   * @returns {BlocksPart}
   */
  #settle(blocks, continuation = null) {
    const continues = this.#continuesWith(blocks);
    const length = blocks.reduce((sum, { raw }) => sum + raw.length, 0) - (this.#continuation?.prefix.length ?? 0);
    if (length <= 0) throw new Error("A part of the text is empty.");
    this.#rest = this.#rest.slice(length);
    this.#continuation = continuation;
    for (const { definitions } of blocks) this.#links.define(definitions);
    return { kind: "blocks", blocks, continues };
  }

  /** @param {Block[]} blocks */
  #continuesWith([block]) {
    const before = this.#continuation;
    if (!before || block?.type !== before.type) return false;
    return block.marker === before.marker;
  }

  /** @param {FencedCode} code @returns {CodePart} */
  #beginCode(code) {
    this.#code = code;
    this.#rest = this.#rest.slice(code.fenceLength);
    return { kind: "code", begins: true, ends: false, language: code.language, text: "" };
  }

  /** @param {FencedCode} code @returns {CodePart | null} */
  #nextLines(code) {
    const lookahead = this.#rest.slice(0, MAX_CHARS);
    const isLast = this.#ended && lookahead.length === this.#rest.length;
    const lines = code.next(lookahead, { isFull: lookahead.length === MAX_CHARS, isLast });
    if (!lines) return null;
    this.#rest = this.#rest.slice(lines.length);
    if (lines.ends) this.#code = null;
    return { kind: "code", begins: false, ends: lines.ends, language: code.language, text: lines.text };
  }
}

/**
 * @param {string} text
 * @param {number} count
 * @param {number} most
 * @returns {number} the index after so many lines, or `most` if that is less
 */
function endOfLines(text, count, most) {
  let end = 0;
  for (let line = 0; line < count; line++) {
    end = text.indexOf("\n", end) + 1;
    if (end === 0 || end >= most) return most;
  }
  return end;
}

/**
 * Returns the index of the first block that more text can still change: the last one, or the first one inside raw HTML
 * that is not closed.
 *
 * @param {Block[]} blocks
 */
function firstOpen(blocks) {
  // a formula that is not closed may become part of the text before it
  const last = blocks.length - (blocks.at(-1)?.isOpenFormula ? 2 : 1);
  let opened = -1;
  let depth = 0;
  for (const [index, { type, raw }] of blocks.entries()) {
    if (type !== "html_block") continue;
    if (depth === 0) opened = index;
    depth = depthAfter(raw, depth);
  }
  return Math.max(0, depth > 0 ? Math.min(opened, last) : last);
}
