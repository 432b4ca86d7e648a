/**
 * The growing source of one answer, cut into parts that are rendered one by one: blocks, or lines of a code block.
 *
 * A part is settled when more text cannot change it. What is not settled is bounded in size, however long a block
 * grows, so that the work for each piece of text does not depend on the length of the answer. Where parts are cut
 * depends on the text alone and not on how it arrived: a streamed answer ends like one that came whole.
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
 * @property {boolean} continues the first block goes on with the last one of the part before: a list, a table, or
 *   a paragraph
 * @property {Links} links the definitions that it was read with
 *
 * @typedef {object} CodePart
 * @property {"code"} kind
 * @property {boolean} begins a new code block
 * @property {boolean} ends
 * @property {string} language
 * @property {string} text what comes after the lines before
 *
 * @typedef {{ type: string, marker: string, prefix: string }} Continuation the block that was cut, and what makes the rest
 *   of it readable by itself
 */

// Measured in Chromium: reading and rendering this much takes 5 to 10 ms on a slow machine. Longer lists, tables
// and paragraphs are cut; they go on in the next part.
export const LONG_CHARS = 4_000;
const LONG_TABLE_CHARS = 1_000; // each cell is an element: these take as long as four times as much text
// Any other block this long ends here and begins anew: a quotation, an item, raw HTML.
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

  /** All definitions so far. */
  get links() {
    return this.#links;
  }

  /** @param {string} text the next piece of the source, cut anywhere, with any line ends */
  push(text) {
    if (text === "") return;
    const piece = this.#endsWithCr && text.startsWith("\n") ? text.slice(1) : text;
    this.#endsWithCr = text.endsWith("\r");
    this.#rest += piece.replace(/\r\n?/g, "\n");
  }

  /** Nothing more comes: all that is left will be settled. */
  end() {
    this.#ended = true;
  }

  /** @returns {BlocksPart | CodePart | null} the next settled part; null when the rest may still change */
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

  /** @returns {BlocksPart | null} what is not settled yet, as it is to be shown now; null where there is nothing */
  unsettled() {
    if (this.#code || this.#rest === "") return null;
    const blocks = this.#lex(closeUnfinished(this.#lookahead(MAX_CHARS)));
    return { kind: "blocks", blocks, continues: this.#continuesWith(blocks), links: this.#links };
  }

  /** @param {number} limit how much of the rest is looked at */
  #lookahead(limit) {
    return (this.#continuation?.prefix ?? "") + this.#rest.slice(0, limit);
  }

  /** @param {string} text */
  #lex(text) {
    return this.#markdown.blocks(text, { ...this.#links });
  }

  /**
   * @param {number} limit how much of the rest is looked at
   * @returns {BlocksPart | null} the blocks before the last, or all at the end
   */
  #settledBefore(limit) {
    const blocks = this.#lex(this.#lookahead(limit));
    if (this.#ended && this.#rest.length <= limit) return this.#settle(blocks);
    const open = firstOpen(blocks);
    return open > 0 ? this.#settle(blocks.slice(0, open)) : null;
  }

  /**
   * @param {number} limit more than this is long
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
    if (/\]\(data:image\/[^)]*$/.test(this.#rest)) return null; // a picture is one word, however long
    const end = this.#rest.lastIndexOf("\n", MAX_CHARS) + 1 || MAX_CHARS;
    return this.#settle(this.#lex(this.#lookahead(end)));
  }

  /**
   * @param {Token} block
   * @param {string} lookahead that it fills
   * @returns {{ blocks: Token[], continuation: Continuation } | null} its part that cannot change
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
   * @param {Token[]} blocks that the rest begins with
   * @param {Continuation | null} [continuation] where the last of them does
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
 * The first block that more text can still change: the last one that is not empty, or the first of those that raw
 * HTML holds and has not closed.
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

/** @param {Token} list @returns {string} what makes an item belong to it and not to a list of its own */
function listMarker({ raw }) {
  return /^[ \t]*(?:\d+([.)])|([-*+]))/.exec(raw)?.slice(1).join("") ?? "";
}

/**
 * @param {import("marked").Tokens.Paragraph} paragraph
 * @returns {number} where it can be cut: between sentences, or else words, outside any emphasis; 0 where it cannot
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
