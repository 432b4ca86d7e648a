/** Parses Markdown with markdown-it and the extensions of ./syntax into blocks, and writes blocks as HTML. */

import { bareLinks } from "./syntax/bare_links.js";
import { callouts, findCallouts } from "./syntax/callouts.js";
import { delimiters } from "./syntax/delimiters.js";
import { footnotes } from "./syntax/footnotes.js";
import { formulas } from "./syntax/formulas.js";
import { isWrapped } from "./syntax/line_breaks.js";
import { nestedFences } from "./syntax/nested_fences.js";
import { nestingLimit } from "./syntax/nesting_limit.js";
import { closeRawTags, rawHtml } from "./syntax/raw_html.js";
import { tables } from "./syntax/tables.js";
import { takeTaskBox, taskLists } from "./syntax/task_list.js";

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").Token} Token */

/**
 * @typedef {Record<string, { href: string, title: string }>} Links definitions of links and footnotes by their
 *   normalised label; a footnote's begins with `^`
 *
 * @typedef {object} Block
 * @property {string} type as markdown-it names its token: "paragraph", "bullet_list"; "source" for text that is shown
 *   as it is, "space" for nothing but empty lines
 * @property {string} raw its source, with the empty lines after it
 * @property {number[]} starts of a list: the index in `raw` where each item begins; of a table: each row of its body
 * @property {string} marker of a list
 * @property {boolean} isOpenFormula whether it is a formula without an end
 * @property {Links} definitions in it
 * @property {Token[]} tokens
 * @property {Links} links that it was parsed with
 * @property {string} [html] when it has been written
 */

const EXTENSIONS = [
  delimiters,
  bareLinks,
  formulas,
  footnotes,
  callouts,
  taskLists,
  nestedFences,
  tables,
  nestingLimit,
  rawHtml,
];
/** The work for unclosed brackets is as many times the length of the text. See ./syntax/nesting_limit.js for blocks. */
const MAX_INLINE_NESTING = 40;
const EMBEDDED = /^data:image\/(?:png|jpeg|gif|webp|avif);/i;

export class MarkdownParser {
  #md;

  /** @param {typeof import("markdown-it").default} MarkdownItLibrary */
  constructor(MarkdownItLibrary) {
    this.#md = new MarkdownItLibrary({ html: true, maxNesting: MAX_INLINE_NESTING });
    for (const extension of EXTENSIONS) this.#md.use(extension);
    // where links may lead is decided by ./safe_link.js
    this.#md.validateLink = (url) => !/^(?:javascript|vbscript|file|data):/i.test(url.trim()) || EMBEDDED.test(url);
    const { rules } = this.#md.renderer;
    rules["text_special"] = /** @type {import("markdown-it").RendererRule} */ (rules["text"]);
    rules["softbreak"] = (tokens, index) => (tokens[index]?.info === "wrapped" ? "\n" : "<br>\n");
  }

  /** Writes a label as `Links` names it. @param {string} label */
  normaliseLabel(label) {
    return this.#md.utils.normalizeReference(label);
  }

  /**
   * @param {string} source with LF as its only line end
   * @param {Links} links definitions of earlier parts; those of this part are added
   * @returns {Block[]} their `raw` texts together are the source
   */
  blocks(source, links) {
    /** @type {Token[]} */
    const tokens = [];
    this.#md.block.parse(source.replaceAll("\0", "\ufffd"), this.#md, { references: links }, tokens);
    const groups = topLevelGroups(tokens);
    if (groups.length === 0 && source !== "") return [this.#verbatim("space", source)];
    const lines = lineStarts(source);
    return groups.map((group, index) => {
      const start = index === 0 ? 0 : lineOf(group, lines);
      const next = groups[index + 1];
      return newBlock(group, source.slice(start, next ? lineOf(next, lines) : source.length), links, lines, start);
    });
  }

  /**
   * @param {string} source
   * @returns {Block} a block that is shown as its source
   */
  sourceBlock(source) {
    return this.#verbatim("source", source);
  }

  /**
   * @param {string} type
   * @param {string} raw
   * @returns {Block}
   */
  #verbatim(type, raw) {
    return { type, raw, starts: [], marker: "", isOpenFormula: false, definitions: {}, tokens: [], links: {} };
  }

  /**
   * @param {Block} block
   * @returns {string} HTML that must be sanitised
   */
  html(block) {
    return (block.html ??= block.type === "source" ? this.#sourceHtml(block) : this.#writeHtml(block));
  }

  /** @param {Block} block */
  #sourceHtml({ raw }) {
    return `<p class="source">${this.#md.utils.escapeHtml(raw.trimEnd())}</p>`;
  }

  /** @param {Block} block */
  #writeHtml({ tokens, links }) {
    findCallouts(tokens);
    for (const [index, token] of tokens.entries()) {
      if (token.type === "inline") this.#parseInline(tokens, index, token, links);
    }
    return this.#md.renderer.render(tokens, this.#md.options, {});
  }

  /**
   * @param {Token[]} tokens
   * @param {number} index
   * @param {Token} token with inline content
   * @param {Links} links
   */
  #parseInline(tokens, index, token, links) {
    const box = takeTaskBox(tokens, index);
    /** @type {Token[]} */
    const children = [];
    this.#md.inline.parse(token.content, this.#md, { references: links }, children);
    closeRawTags(children);
    if (isWrapped(token.content)) for (const child of children) if (child.type === "softbreak") child.info = "wrapped";
    token.children = box ? [box, ...children] : children;
  }
}

/** @param {string} source */
function lineStarts(source) {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/**
 * @param {Token[]} tokens
 * @returns {Token[][]} the tokens of each top-level block
 */
function topLevelGroups(tokens) {
  /** @type {Token[][]} */
  const groups = [];
  for (const token of tokens) {
    if (token.level === 0 && token.nesting >= 0) groups.push([token]);
    else groups.at(-1)?.push(token);
  }
  return groups;
}

/**
 * @param {Token[]} group
 * @param {number[]} lines
 */
function lineOf([token], lines) {
  return lines[token?.map?.[0] ?? 0] ?? 0;
}

/**
 * @param {Token[]} tokens
 * @param {string} raw
 * @param {Links} links
 * @param {number[]} lines
 * @param {number} start of the block in the source
 * @returns {Block}
 */
function newBlock(tokens, raw, links, lines, start) {
  const [first] = tokens;
  const type = first?.type.replace(/_open$/, "") ?? "";
  /** @type {Links} */
  const definitions = {};
  for (const { meta } of tokens) {
    const label = String(meta?.["label"] ?? "");
    const definition = links[label];
    if (definition) definitions[label] = definition;
  }
  const part = type.endsWith("_list") ? "list_item_open" : type === "table" ? "tr_open" : "";
  const starts = tokens
    .filter((token) => token.type === part && token.level === (type === "table" ? 2 : 1))
    .map((token) => lineOf([token], lines) - start);
  if (type === "table") starts.shift(); // the header
  const marker = `${type === "ordered_list" ? 1 : ""}${first?.markup ?? ""}`;
  const isOpenFormula = type === "formula_block" && first?.info === "open";
  return { type, raw, starts, marker, isOpenFormula, definitions, tokens, links };
}
