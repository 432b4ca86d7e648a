/**
 * A growing text, shown as Markdown in one element, with one change of the page a frame. The work of a frame is
 * bounded: it neither grows with the answer nor, where much comes at once, takes the page away from the reader.
 */

import { BlockList } from "./block_list.js";
import { MarkdownSource } from "./markdown_source.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */

const SLICE_MS = 8; // of a frame's 16: laying out and painting take the rest
const TAIL_CHARS = 32; // characters that tell whether a text is the one before, grown

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
  #tail = "";
  #ended = false;
  #frame = 0;
  #pausedUntil = 0;
  /** @type {BlocksPart | CodePart | null} the next part, waiting for KaTeX */
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
   * From here on the text is shown as Markdown. Until then, and without it, it is shown as it is.
   * @param {Markdown} markdown
   */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    this.#element.classList.remove("plain");
    this.#element.removeAttribute("dir"); // each block finds its own
    this.#begin(markdown);
    this.#renderSlice();
  }

  /**
   * Shows the text with the next frame; of several texts within one frame, the last.
   *
   * @param {string} text everything so far
   * @param {() => void} rendered called whenever more has come into the page
   */
  grow(text, rendered) {
    this.#setText(text, rendered, false);
    this.#schedule();
  }

  /**
   * Shows the text whole: a short one at once, a long one over the next frames. Its end may change its start, by
   * defining a link.
   *
   * @param {string} text
   * @param {() => void} rendered called whenever more has come into the page
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
      // after a slow frame it rests twice as long as that took, so that the page stays usable on any machine
      this.#pausedUntil = ended + 2 * (ended - startedAt);
    });
  }

  /** A frame's work, and the next frame's if that was not all. */
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
   * @returns {boolean} whether the text is whole and all of it shown
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
      // while an answer streams, its formulas are typeset as soon as they can be; one that came whole waits for that
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
