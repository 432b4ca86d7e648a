/**
 * A growing text, shown as Markdown in one element, with one change of the page a frame. The work of a frame is
 * bounded: it neither grows with the answer nor, where much comes at once, takes the page away from the reader.
 */

import { BlockList } from "./block_list.js";
import { MarkdownSource } from "./markdown_source.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */

const WORK_MS = 8; // of a frame's 16: laying out and painting take the rest
const SEAM = 32; // characters that tell whether a text is the one before, grown

export class MarkdownView {
  #element;
  /** @type {Markdown | null} */
  #markdown = null;
  /** @type {MarkdownSource | null} */
  #source = null;
  /** @type {BlockList | null} */
  #list = null;
  #text = "";
  /** How much of the text the source has, and the end of that. */
  #pushed = 0;
  #seam = "";
  #ended = false;
  #frame = 0;
  #restsUntil = 0;
  /** @type {BlocksPart | CodePart | null} the next part, waiting for KaTeX */
  #waiting = null;
  /** @type {() => void} */
  #shown = () => {};

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#element.classList.add("plain");
    this.#element.dir = "auto";
  }

  /**
   * From here on the text is shown as Markdown. Until then, and without it, it is shown as it is.
   * @param {Markdown} markdown
   */
  use(markdown) {
    this.#markdown = markdown;
    this.#element.classList.remove("plain");
    this.#element.removeAttribute("dir"); // each block finds its own
    this.#begin(markdown);
    this.#work();
  }

  /**
   * Shows the text with the next frame; of several texts within one frame, the last.
   *
   * @param {string} text everything so far
   * @param {() => void} shown called whenever more has come into the page
   */
  grow(text, shown) {
    this.#take(text, shown, false);
    this.#schedule();
  }

  /**
   * Shows the text whole: a short one at once, a long one over the next frames. Its end may change its start, by
   * defining a link.
   *
   * @param {string} text
   * @param {() => void} shown called whenever more has come into the page
   */
  finish(text, shown) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#take(text, shown, true);
    this.#work();
  }

  /**
   * @param {string} text
   * @param {() => void} shown
   * @param {boolean} ended
   */
  #take(text, shown, ended) {
    this.#shown = shown;
    if (this.#ended && ended && text === this.#text) return;
    const isOther = this.#ended || text.length < this.#pushed || !text.startsWith(this.#seam, this.#pushed - this.#seam.length);
    this.#text = text;
    this.#ended = ended;
    if (isOther && this.#markdown) this.#begin(this.#markdown);
  }

  /** @param {Markdown} markdown */
  #begin(markdown) {
    this.#source = new MarkdownSource(markdown);
    this.#list = new BlockList(this.#element, markdown);
    this.#waiting = null;
    this.#pushed = 0;
    this.#seam = "";
  }

  #schedule() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const began = performance.now();
      if (began < this.#restsUntil) return this.#schedule();
      this.#work();
      const ended = performance.now();
      // after a slow frame it rests twice as long as that took, so that the page stays usable on any machine
      this.#restsUntil = ended + 2 * (ended - began);
    });
  }

  /** A frame's work, and the next frame's if that was not all. */
  #work() {
    if (!this.#markdown || !this.#source || !this.#list) {
      this.#element.textContent = this.#text;
      return this.#shown();
    }
    this.#source.push(this.#text.slice(this.#pushed));
    this.#pushed = this.#text.length;
    this.#seam = this.#text.slice(-SEAM);
    if (this.#ended) this.#source.end();
    const isWhole = this.#settle(this.#markdown, this.#source, this.#list);
    this.#element.setAttribute("aria-busy", String(!isWhole));
    this.#shown();
  }

  /**
   * @param {Markdown} markdown
   * @param {MarkdownSource} source
   * @param {BlockList} list
   * @returns {boolean} whether the text is whole and all of it shown
   */
  #settle(markdown, source, list) {
    const until = performance.now() + WORK_MS;
    while (performance.now() < until) {
      const part = this.#waiting ?? source.next();
      this.#waiting = null;
      if (!part) {
        if (this.#ended) list.define(source.links);
        list.show(this.#ended ? null : source.open());
        return this.#ended;
      }
      // while an answer streams, its formulas are typeset as soon as they can be; one that came whole waits for that
      const preparation = this.#ended && part.kind === "blocks" ? markdown.preparation(part.blocks) : null;
      if (preparation) {
        this.#waiting = part;
        void preparation.then(() => this.#schedule());
        return false;
      }
      list.settle(part);
    }
    this.#schedule();
    return false;
  }
}
