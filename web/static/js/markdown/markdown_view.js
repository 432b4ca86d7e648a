/**
 * A growing text, rendered as Markdown in one element, with at most one update per frame. The work per frame is
 * bounded: it does not grow with the answer, and a large text does not block the page.
 */

import { BlockList } from "./block_list.js";
import { MarkdownSource } from "./markdown_source.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */

const SLICE_MS = 8; // of a frame's 16; layout and painting take the rest
const TAIL_CHARS = 32; // compared to find out whether a new text begins with the previous one

export class MarkdownView {
  #element;
  /** @type {Markdown | null} */
  #markdown = null;
  /** @type {MarkdownSource | null} */
  #source = null;
  /** @type {BlockList | null} */
  #list = null;
  #text = "";
  /** How many characters the source has received, and the last of them. */
  #pushed = 0;
  #tail = "";
  #ended = false;
  #frame = 0;
  #pausedUntil = 0;
  /** @type {BlocksPart | CodePart | null} the next part, which waits for KaTeX */
  #blocked = null;
  /** @type {() => void} */
  #rendered = () => {};

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#element.classList.add("plain");
    this.#element.dir = "auto";
  }

  /**
   * Renders the text as Markdown from now on. Before this call, the text is shown as it is.
   * @param {Markdown} markdown
   */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    this.#element.classList.remove("plain");
    this.#element.removeAttribute("dir"); // each block has its own
    this.#begin(markdown);
    this.#renderSlice();
  }

  /**
   * Shows the text in the next frame. If called several times before that frame, the last text wins.
   *
   * @param {string} text everything so far
   * @param {() => void} rendered called after each update of the page
   */
  grow(text, rendered) {
    this.#setText(text, rendered, false);
    this.#schedule();
  }

  /**
   * Shows the complete text: a short one at once, a long one over the next frames. Its end may change its beginning,
   * by defining a link.
   *
   * @param {string} text
   * @param {() => void} rendered called after each update of the page
   */
  finish(text, rendered) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#setText(text, rendered, true);
    this.#renderSlice();
  }

  /**
   * @param {string} text
   * @param {() => void} rendered
   * @param {boolean} ended
   */
  #setText(text, rendered, ended) {
    this.#rendered = rendered;
    if (this.#ended && ended && text === this.#text) return;
    const isReplaced = this.#ended || text.length < this.#pushed || !text.startsWith(this.#tail, this.#pushed - this.#tail.length);
    this.#text = text;
    this.#ended = ended;
    if (isReplaced && this.#markdown) this.#begin(this.#markdown);
  }

  /** @param {Markdown} markdown */
  #begin(markdown) {
    this.#source = new MarkdownSource(markdown);
    this.#list = new BlockList(this.#element, markdown);
    this.#blocked = null;
    this.#pushed = 0;
    this.#tail = "";
  }

  #schedule() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const startedAt = performance.now();
      if (startedAt < this.#pausedUntil) return this.#schedule();
      this.#renderSlice();
      const ended = performance.now();
      // pausing twice as long as the frame took keeps the page responsive on slow machines
      this.#pausedUntil = ended + 2 * (ended - startedAt);
    });
  }

  /** Renders for one frame, and schedules the next one if more is left. */
  #renderSlice() {
    if (!this.#markdown || !this.#source || !this.#list) {
      this.#element.textContent = this.#text;
      return this.#rendered();
    }
    this.#source.push(this.#text.slice(this.#pushed));
    this.#pushed = this.#text.length;
    this.#tail = this.#text.slice(-TAIL_CHARS);
    if (this.#ended) this.#source.end();
    const isComplete = this.#settle(this.#markdown, this.#source, this.#list);
    this.#element.setAttribute("aria-busy", String(!isComplete));
    this.#rendered();
  }

  /**
   * @param {Markdown} markdown
   * @param {MarkdownSource} source
   * @param {BlockList} list
   * @returns {boolean} whether the text is complete and all of it is shown
   */
  #settle(markdown, source, list) {
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until) {
      const part = this.#blocked ?? source.nextSettled();
      this.#blocked = null;
      if (!part) {
        if (this.#ended) list.resolveLinks(source.links);
        list.show(this.#ended ? null : source.unsettled());
        return this.#ended;
      }
      // a streaming answer shows its formulas as TeX until KaTeX has loaded; a complete one waits for KaTeX
      const formulasReady = this.#ended && part.kind === "blocks" ? markdown.formulasReady(part.blocks) : null;
      if (formulasReady) {
        this.#blocked = part;
        void formulasReady.then(() => this.#schedule());
        return false;
      }
      list.settle(part);
    }
    this.#schedule();
    return false;
  }
}
