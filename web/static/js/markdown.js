/** Markdown -> nodes for the page: lexed by marked, sanitised by DOMPurify, given colours and formulas. */

import { dressCode } from "./code_block.js";
import { words } from "./language.js";
import { formulas, typeset } from "./mathematics.js";
import { rawHtml } from "./raw_html.js";
import { Sanitiser } from "./sanitiser.js";

/** @typedef {import("./libraries.js").Libraries} Libraries */
/** @typedef {import("marked").Token} Token */
/** @typedef {import("marked").Links} Links */

export class Markdown {
  #libraries;
  #marked;
  #sanitiser;

  /** @param {Libraries} libraries */
  constructor(libraries) {
    this.#libraries = libraries;
    this.#marked = new libraries.marked.Marked({ gfm: true, extensions: formulas, renderer: rawHtml });
    this.#sanitiser = new Sanitiser(libraries.createPurify, words.image);
  }

  /**
   * @param {string} source with LF as its only line end
   * @param {Links} links what earlier parts have defined; what this part defines is added
   * @returns {Token[]} the blocks, which together hold the source
   */
  blocks(source, links) {
    const lexer = new this.#libraries.marked.Lexer(this.#marked.defaults);
    lexer.tokens.links = links;
    return lexer.lex(source);
  }

  /**
   * @param {Token[]} blocks
   * @returns {DocumentFragment}
   */
  render(blocks) {
    const fragment = this.#sanitiser.fragment(this.#marked.parser(blocks));
    dropSpace(fragment);
    for (const table of fragment.querySelectorAll("table")) table.replaceWith(scrollable(table));
    for (const code of fragment.querySelectorAll("pre > code")) dressCode(code, this.#libraries.highlighter);
    if (this.#libraries.katex) typeset(fragment, this.#libraries.katex);
    return fragment;
  }
}

/** The line ends between blocks would only make counting them harder. @param {DocumentFragment} fragment */
function dropSpace(fragment) {
  for (const node of [...fragment.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE && node.textContent?.trim() === "") node.remove();
  }
}

/**
 * A wide table scrolls in its own box, also by keyboard.
 * @param {Element} table
 */
function scrollable(table) {
  const box = document.createElement("div");
  box.className = "table";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", words.tableLabel);
  box.append(table.cloneNode(true));
  return box;
}
