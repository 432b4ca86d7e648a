/**
 * The growing source of one answer, split into parts that are rendered one by one: blocks, or lines of a code block.
 *
 * A part is settled when more text cannot change it. The unsettled rest has a bounded size, so the work for each chunk
 * does not depend on the length of the answer. The splits depend on the text alone and not on how it arrived: a
 * streamed answer ends with the same nodes as one that came at once.
 */

import { FencedCode } from "./fenced_code.js";
import { countOpenTags } from "./raw_html.js";
import { closeUnfinished } from "./unfinished.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("marked").Token} Token */
/** @typedef {import("marked").Links} Links */

/**
 * @typedef {object} BlocksPart
 * @property {"blocks"} kind
 * @property {Token[]} blocks
 * @property {boolean} continues whether the first block continues the last one of the previous part: a list, a table,
 *   or a paragraph
 * @property {Links} links the definitions that it was parsed with
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
// Any other block ends at this length, and the rest is a new block: a quotation, an item, raw HTML.
export const MAX_CHARS = 16_000;

const SENTENCE_END = /[^]*(?:[.!?]["'”’)\]]*\s+|[。！？…][”’）」』]*\s*)(?=\p{L})/u;
const WORD_END = /[^]*(?:\s|[，、；：])(?=\p{L})/u;

export class MarkdownSource {
  #markdown;
  #rest = "";
  #ended = false;
  #endsWithCr = false;
  /** @type {Links} */
  #links = {};
  /** @type {Continuation | null} */
  #continuation = null;
  /** @type {FencedCode | null} */
  #code = null;

  /** @param {Markdown} markdown */
  constructor(markdown) {
    this.#markdown = markdown;
  }

  /** All link definitions so far. */
  get links() {
    return this.#links;
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
    return this.#settledBefore(limit) ?? this.#split(limit);
  }

  /** @returns {BlocksPart | null} the unsettled rest, to be shown provisionally; null if there is none */
  unsettled() {
    if (this.#code || this.#rest === "") return null;
    const blocks = this.#lex(closeUnfinished(this.#lookahead(MAX_CHARS)));
    return { kind: "blocks", blocks, continues: this.#continuesWith(blocks), links: this.#links };
  }

  /** @param {number} limit how many characters of the rest to return */
  #lookahead(limit) {
    return (this.#continuation?.prefix ?? "") + this.#rest.slice(0, limit);
  }

  /** @param {string} text */
  #lex(text) {
    return this.#markdown.blocks(text, { ...this.#links });
  }

  /**
   * @param {number} limit how many characters of the rest to parse
   * @returns {BlocksPart | null} the blocks before the last one; at the end of the source, all blocks
   */
  #settledBefore(limit) {
    const blocks = this.#lex(this.#lookahead(limit));
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
    const lookahead = this.#lookahead(limit);
    const [block] = this.#lex(lookahead);
    const split = block ? this.#splitBlock(block, lookahead) : null;
    if (split) return this.#settle(split.blocks, split.continuation);
    const settled = this.#settledBefore(MAX_CHARS);
    if (settled || this.#rest.length <= MAX_CHARS) return settled;
    if (/\]\(data:image\/[^)]*$/.test(this.#rest)) return null; // an embedded image cannot be split
    const end = this.#rest.lastIndexOf("\n", MAX_CHARS) + 1 || MAX_CHARS;
    return this.#settle(this.#lex(this.#lookahead(end)));
  }

  /**
   * @param {Token} block
   * @param {string} lookahead the source of the block
   * @returns {{ blocks: Token[], continuation: Continuation } | null} the part of it that cannot change
   */
  #splitBlock(block, lookahead) {
    if (block.type === "list" && block.items.length > 1) {
      const items = block.items.slice(0, -1);
      const raw = items.map((/** @type {Token} */ item) => item.raw).join("");
      return { blocks: [{ ...block, items, raw }], continuation: { type: "list", marker: listMarker(block), prefix: "" } };
    }
    if (block.type === "table" && block.rows.length > 1) {
      const end = lookahead.lastIndexOf("\n", block.raw.trimEnd().length - 1) + 1;
      const prefix = /^[^\n]*\n[^\n]*\n/.exec(block.raw)?.[0] ?? "";
      return { blocks: this.#lex(lookahead.slice(0, end)), continuation: { type: "table", marker: "", prefix } };
    }
    const end = block.type === "paragraph" ? lastBoundary(/** @type {import("marked").Tokens.Paragraph} */ (block)) : 0;
    if (end === 0) return null;
    return { blocks: this.#lex(lookahead.slice(0, end)), continuation: { type: "paragraph", marker: "", prefix: "" } };
  }

  /**
   * @param {Token[]} blocks the first ones of the rest
   * @param {Continuation | null} [continuation] if the last of them continues
   * @returns {BlocksPart}
   */
  #settle(blocks, continuation = null) {
    const continues = this.#continuesWith(blocks);
    const length = blocks.reduce((sum, { raw }) => sum + raw.length, 0) - (this.#continuation?.prefix.length ?? 0);
    this.#rest = this.#rest.slice(length);
    this.#continuation = continuation;
    for (const block of blocks) {
      if (block.type === "def") this.#links[block.tag] ??= { href: block.href, title: block.title };
    }
    return { kind: "blocks", blocks, continues, links: { ...this.#links } };
  }

  /** @param {Token[]} blocks */
  #continuesWith([block]) {
    const before = this.#continuation;
    if (!before || block?.type !== before.type) return false;
    return before.type !== "list" || listMarker(block) === before.marker;
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
 * Returns the index of the first block that more text can still change: the last block that is not empty, or the
 * first one inside raw HTML that is not closed.
 *
 * @param {Token[]} blocks
 */
function firstOpen(blocks) {
  const last = blocks.findLastIndex(({ type }) => type !== "space");
  let opened = -1;
  let depth = 0;
  for (const [index, { type, raw }] of blocks.entries()) {
    if (type !== "html") continue;
    if (depth === 0) opened = index;
    depth = Math.max(0, depth + countOpenTags(raw));
  }
  return Math.max(0, depth > 0 ? Math.min(opened, last) : last);
}

/** @param {Token} list @returns {string} its marker: an item with another marker begins another list */
function listMarker({ raw }) {
  return /^[ \t]*(?:\d+([.)])|([-*+]))/.exec(raw)?.slice(1).join("") ?? "";
}

/**
 * @param {import("marked").Tokens.Paragraph} paragraph
 * @returns {number} the last index between two sentences or else two words, outside emphasis; 0 if there is none
 */
function lastBoundary(paragraph) {
  let start = 0;
  let end = { sentence: 0, word: 0 };
  for (const { type, raw } of paragraph.tokens) {
    if (type === "text") {
      const sentence = SENTENCE_END.exec(raw)?.[0].length;
      const word = WORD_END.exec(raw)?.[0].length;
      end = { sentence: sentence ? start + sentence : end.sentence, word: word ? start + word : end.word };
    }
    start += raw.length;
  }
  return end.sentence > LONG_CHARS / 2 ? end.sentence : end.word;
}
