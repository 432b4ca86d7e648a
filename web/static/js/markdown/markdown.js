/**
 * Renders Markdown as nodes: parsed by parser.js, sanitised by DOMPurify, with highlighted code and typeset formulas.
 * What cannot be rendered is shown as its source.
 */

import { nameBlocks } from "./block_names.js";
import { showCalloutNames } from "./callout_names.js";
import { wrapCode } from "./code_block.js";
import { setDirections } from "./direction.js";
import { DocumentRenderer } from "./document_renderer.js";
import { markFootnotes } from "./footnote_links.js";
import { keepFormulaFonts } from "./formula_fonts.js";
import { markHanEmphasis } from "./han_emphasis.js";
import { Highlighter } from "./highlighter.js";
import { reportOnce } from "./report.js";
import { reportGrowth } from "../ui/in_view.js";
import { makeRoomForNumbers } from "./list_numbers.js";
import { breakLongRuns } from "../ui/long_runs.js";
import { loadKatex } from "../browser/libraries.js";
import { loadPersistently } from "../ui/part_loader.js";
import { Typesetter, recordFormulaSources } from "./mathematics.js";
import { MarkdownParser } from "./parser.js";
import { Sanitiser } from "./sanitiser.js";
import { scrollableTable } from "./table_block.js";
import { WaitingElements } from "./waiting_elements.js";

/** @typedef {import("../browser/libraries.js").Libraries} Libraries */
/** @typedef {import("./parser.js").Block} Block */
/** @typedef {import("./parser.js").Links} Links */

const KATEX_MS = 2_000; // how long a complete answer waits for KaTeX, so that its formulas do not shift the layout
const AFTER_EMPTY_LINE = /(?<=\n[ \t]*\n)(?=[^\s])/;
const LOOSE = "a, b, br, code, del, em, i, img, input, ins, kbd, mark, s, samp, small, span, strong, sub, sup, u";
const FORMULA = /<(?:span|div) class="formula/;
/** A paragraph of more elements is laid out and painted apart from what moves it: a person writes far fewer. */
const DENSE_ELEMENTS = 100;

export class Markdown {
  #parser;
  #sanitiser;
  #highlighter = new Highlighter();
  /** Fulfilled when KaTeX has loaded, or could not be loaded at once. @type {Promise<void> | null} */
  #tryingKatex = null;
  #hasTriedKatex = false;
  /** What has formulas and waits for KaTeX. */
  #waiting = new WaitingElements();
  /** @type {Typesetter | null} */
  #typesetter = null;

  /** @param {Libraries} libraries */
  constructor({ MarkdownIt, createPurify }) {
    keepFormulaFonts();
    this.#parser = new MarkdownParser(MarkdownIt);
    this.#sanitiser = new Sanitiser(createPurify);
  }

  /**
   * @param {HTMLElement} element
   * @param {import("./text_links.js").TextLinks} [links] of the text
   * @returns {DocumentRenderer} renders a growing text in the element
   */
  rendererFor(element, links) {
    return new DocumentRenderer(element, this, links);
  }

  /**
   * @param {string} source with LF as its only line end
   * @param {Links} links definitions of earlier parts; this part's definitions are added
   * @returns {Block[]} their `raw` texts together are the source
   */
  blocks(source, links) {
    try {
      return this.#parser.blocks(source, links);
    } catch (error) {
      reportOnce("parsing", error);
      const parts = source.split(AFTER_EMPTY_LINE);
      return parts.length > 1 ? parts.flatMap((part) => this.blocks(part, links)) : [this.#parser.sourceBlock(source)];
    }
  }

  /** Writes a label as `Links` names it. @param {string} label */
  normaliseLabel(label) {
    return this.#parser.normaliseLabel(label);
  }

  /**
   * @param {Block[]} blocks
   * @returns {DocumentFragment} call `enhance` on its elements when they are in the page
   */
  render(blocks) {
    try {
      return this.#render(blocks);
    } catch (error) {
      reportOnce("rendering", error);
      if (blocks.length < 2) return sourceFragment(blocks);
      const fragment = new DocumentFragment();
      fragment.append(...blocks.map((block) => this.render([block])));
      return fragment;
    }
  }

  /** @param {Block[]} blocks */
  #render(blocks) {
    const fragment = this.#sanitiser.sanitise(blocks.map((block) => this.#parser.html(block)).join(""));
    removeBlankText(fragment);
    wrapLooseText(fragment);
    for (const empty of fragment.querySelectorAll("p.source:empty")) empty.remove();
    for (const table of fragment.querySelectorAll("table")) table.replaceWith(scrollableTable(table));
    for (const code of fragment.querySelectorAll("pre > code")) wrapCode(code);
    for (const box of fragment.querySelectorAll("li > input:first-child, li > p:first-child > input:first-child")) {
      box.closest("li")?.classList.add("task");
    }
    showCalloutNames(fragment);
    markFootnotes(fragment);
    breakLongRuns(fragment);
    for (const paragraph of fragment.querySelectorAll("p")) {
      if (paragraph.childElementCount > DENSE_ELEMENTS) paragraph.classList.add("dense");
    }
    makeRoomForNumbers(fragment);
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
      if (this.#typesetter) this.#typesetter.typeset(element);
      else {
        this.#waiting.add(element);
        void this.#tryKatex();
      }
    }
  }

  /**
   * @param {Element} code
   * @param {{ growing: boolean }} state
   */
  highlight(code, { growing }) {
    this.#highlighter.highlight(code, { growing });
  }

  /** Names the blocks of a complete text for assistive technology. @param {Element} element */
  name(element) {
    nameBlocks(element);
  }

  /**
   * @param {Block[]} blocks
   * @returns {Promise<void> | null} fulfilled when the blocks' formulas can be typeset; null if nothing must be awaited
   */
  formulasReady(blocks) {
    if (this.#hasTriedKatex) return null;
    if (!blocks.some(({ raw }) => /[$\\]/.test(raw)) || !this.#hasFormula(blocks)) return null;
    const timeout = new Promise((resolve) => setTimeout(resolve, KATEX_MS)).then(() => void (this.#hasTriedKatex = true));
    return Promise.race([this.#tryKatex(), timeout]);
  }

  /** @param {Block[]} blocks */
  #hasFormula(blocks) {
    try {
      return blocks.some((block) => FORMULA.test(this.#parser.html(block)));
    } catch {
      return false; // `render` meets the same error, and reports it
    }
  }

  #tryKatex() {
    this.#tryingKatex ??= new Promise((resolve) => {
      const tried = () => {
        this.#hasTriedKatex = true;
        resolve();
      };
      void loadPersistently(loadKatex, tried)
        .then((katex) => this.#useKatex(katex))
        .then(tried, () => undefined); // formulas stay source
    });
    return this.#tryingKatex;
  }

  /** @param {import("../browser/libraries.js").Katex} katex */
  #useKatex(katex) {
    this.#typesetter = new Typesetter(katex);
    for (let next = this.#waiting.take(); next; next = this.#waiting.take()) this.#typesetter.typeset(next);
    reportGrowth();
  }
}

/** Removes the line ends between blocks. @param {DocumentFragment} fragment */
function removeBlankText(fragment) {
  for (const node of [...fragment.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE && node.textContent?.trim() === "") node.remove();
  }
}

/** Puts text outside all blocks, such as HTML that is not allowed, into paragraphs. @param {DocumentFragment} fragment */
function wrapLooseText(fragment) {
  /** @type {HTMLElement | null} */
  let paragraph = null;
  for (const node of [...fragment.childNodes]) {
    if (node instanceof Element && !node.matches(LOOSE)) {
      paragraph = null;
      continue;
    }
    if (!paragraph) {
      paragraph = document.createElement("p");
      paragraph.className = "source";
      node.before(paragraph);
    }
    paragraph.append(node);
  }
  for (const { firstChild, lastChild } of [...fragment.children].filter((child) => child.matches("p.source"))) {
    if (firstChild instanceof Text) firstChild.data = firstChild.data.trimStart();
    if (lastChild instanceof Text) lastChild.data = lastChild.data.trimEnd();
  }
}

/** @param {Block[]} blocks */
function sourceFragment(blocks) {
  const fragment = new DocumentFragment();
  for (const { raw } of blocks) {
    const paragraph = document.createElement("p");
    paragraph.className = "source";
    paragraph.dir = "auto";
    paragraph.textContent = raw.trimEnd();
    fragment.append(paragraph);
  }
  return fragment;
}
