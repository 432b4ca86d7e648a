/**
 * Renders one growing text in one element, part by part. The work of each part is bounded, and the caller says how
 * long to go on. An error never hides text: the whole text is then shown as it is.
 */

import { BlockList } from "./block_list.js";
import { MarkdownSource } from "./markdown_source.js";
import { reportOnce } from "./report.js";
import { followFootnotes } from "./footnote_links.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */
/** @typedef {"complete" | "waiting" | "more"} Progress `waiting` for more text; `more` can be rendered at once */

export class DocumentRenderer {
  #element;
  #markdown;
  #source;
  /** @type {BlockList | null} null while the element still shows its text as it is */
  #list = null;
  #text = "";
  #ended = false;
  #failed = false;
  /** @type {BlocksPart | CodePart | null} the next part, which waits for KaTeX */
  #blocked = null;

  /**
   * @param {HTMLElement} element
   * @param {Markdown} markdown
   * @param {import("./text_links.js").TextLinks} [links] of the text
   */
  constructor(element, markdown, links) {
    this.#element = element;
    this.#markdown = markdown;
    this.#source = new MarkdownSource(markdown, links);
    if (element.textContent === "") this.#begin();
    followFootnotes(element);
  }

  /** @returns {BlockList} which takes the place of what the element shows */
  #begin() {
    this.#element.classList.remove("plain");
    this.#element.removeAttribute("dir"); // each block has its own
    return (this.#list = new BlockList(this.#element, this.#markdown));
  }

  /** Appends to the text. @param {string} text split anywhere, with any line ends */
  push(text) {
    this.#text += text;
    this.#source.push(text);
  }

  /** Marks the text as complete. */
  end() {
    this.#ended = true;
    this.#source.end();
  }

  /** @returns {boolean} whether other texts may define links of this one, which is complete */
  lookAgain() {
    return this.#ended && Boolean(this.#list?.lookAgain());
  }

  /**
   * Renders until a time.
   *
   * @param {number} until as `performance.now()` counts
   * @param {() => void} proceed called when rendering can go on, if it waits for a library
   * @returns {Progress}
   */
  render(until, proceed) {
    if (this.#failed) return this.#showSource();
    try {
      return this.#render(until, proceed);
    } catch (error) {
      reportOnce("showing", error);
      this.#failed = true;
      return this.#showSource();
    }
  }

  /**
   * @param {number} until
   * @param {() => void} proceed
   * @returns {Progress}
   */
  #render(until, proceed) {
    while (performance.now() < until) {
      const part = this.#blocked ?? this.#source.nextSettled();
      this.#blocked = null;
      if (!part) {
        const list = this.#list ?? this.#begin();
        if (!this.#ended) {
          list.show(this.#source.unsettled());
          return "waiting";
        }
        list.show(null);
        return list.resolveLinks(this.#source.links, until) ? "complete" : "more";
      }
      // a streaming answer shows its formulas as TeX until KaTeX has loaded; a complete one waits for KaTeX
      const formulasReady = this.#ended && part.kind === "blocks" ? this.#markdown.formulasReady(part.blocks) : null;
      if (formulasReady) {
        this.#blocked = part;
        void formulasReady.then(proceed);
        return "waiting";
      }
      (this.#list ?? this.#begin()).settle(part, this.#source.links);
    }
    return "more";
  }

  /** @returns {Progress} */
  #showSource() {
    this.#element.classList.add("plain");
    this.#element.dir = "auto";
    this.#element.textContent = this.#text;
    return this.#ended ? "complete" : "waiting";
  }
}
