/** Renders Markdown as nodes: parsed by marked, sanitised by DOMPurify, with highlighted code and typeset formulas. */

import { wrapCode } from "./code_block.js";
import { setDirections } from "./direction.js";
import { markHanEmphasis, strong } from "./emphasis.js";
import { Highlighter } from "./highlighter.js";
import { loadKatex } from "../browser/libraries.js";
import { formulas, recordFormulaSources, typeset } from "./mathematics.js";
import { rawHtml } from "./raw_html.js";
import { Sanitiser } from "./sanitiser.js";
import { scrollableTable } from "./table_block.js";

/** @typedef {import("../browser/libraries.js").Libraries} Libraries */
/** @typedef {import("../browser/libraries.js").Katex} Katex */
/** @typedef {import("marked").Token} Token */
/** @typedef {import("marked").Links} Links */

const KATEX_MS = 2_000; // how long a complete answer waits for KaTeX, so that its formulas do not shift the layout

export class Markdown {
  #libraries;
  #marked;
  #sanitiser;
  #highlighter = new Highlighter();
  /** @type {Promise<void> | null} */
  #loading = null;
  #hasTriedKatex = false;
  /** @type {Katex | null} */
  #katex = null;

  /** @param {Libraries} libraries */
  constructor(libraries) {
    this.#libraries = libraries;
    this.#marked = new libraries.marked.Marked({ gfm: true, extensions: [...formulas, strong], renderer: rawHtml });
    this.#sanitiser = new Sanitiser(libraries.createPurify);
  }

  /**
   * @param {string} source with LF as its only line end
   * @param {Links} links the link definitions of earlier parts; this part's definitions are added
   * @returns {Token[]} the blocks; their `raw` texts together are the source
   */
  blocks(source, links) {
    const lexer = new this.#libraries.marked.Lexer(this.#marked.defaults);
    lexer.tokens.links = links;
    return lexer.lex(source);
  }

  /**
   * @param {Token[]} blocks
   * @returns {DocumentFragment} call `enhance` on its elements when they are in the page
   */
  render(blocks) {
    const fragment = this.#sanitiser.sanitise(this.#marked.parser(blocks));
    removeBlankText(fragment);
    for (const table of fragment.querySelectorAll("table")) table.replaceWith(scrollableTable(table));
    for (const code of fragment.querySelectorAll("pre > code")) wrapCode(code);
    for (const box of fragment.querySelectorAll("li > input:first-child")) box.parentElement?.classList.add("task");
    setDirections(fragment);
    markHanEmphasis(fragment);
    recordFormulaSources(fragment);
    return fragment;
  }

  /**
   * Typesets formulas and highlights code in an element of the page, now or when the libraries have loaded.
   *
   * @param {Element} element
   * @param {{ growing: boolean }} state whether its code may still grow
   */
  enhance(element, { growing }) {
    for (const code of element.querySelectorAll("pre > code")) this.highlight(code, { growing });
    if (element.matches(".formula, .formula-open") || element.querySelector(".formula, .formula-open")) {
      if (this.#katex) typeset(element, this.#katex);
      else void this.#loadedKatex().then(() => this.#katex && element.isConnected && typeset(element, this.#katex));
    }
  }

  /**
   * @param {Element} code
   * @param {{ growing: boolean }} state
   */
  highlight(code, { growing }) {
    this.#highlighter.highlight(code, { growing });
  }

  /**
   * @param {Token[]} blocks
   * @returns {Promise<void> | null} fulfilled when the blocks' formulas can be typeset; null if nothing must be awaited
   */
  formulasReady(blocks) {
    if (this.#hasTriedKatex) return null;
    let found = false;
    this.#marked.walkTokens(blocks, ({ type }) => void (found ||= /formula$/i.test(type)));
    if (!found) return null;
    const timeout = new Promise((resolve) => setTimeout(resolve, KATEX_MS)).then(() => void (this.#hasTriedKatex = true));
    return Promise.race([this.#loadedKatex(), timeout]);
  }

  #loadedKatex() {
    this.#loading ??= loadKatex().then((katex) => {
      this.#katex = katex;
      this.#hasTriedKatex = true;
    });
    return this.#loading;
  }
}

/** Removes the line ends between blocks. @param {DocumentFragment} fragment */
function removeBlankText(fragment) {
  for (const node of [...fragment.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE && node.textContent?.trim() === "") node.remove();
  }
}
