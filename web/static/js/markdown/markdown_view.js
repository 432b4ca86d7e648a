/**
 * A growing text, rendered as Markdown in one element, with at most one update per frame. The work per frame is
 * bounded: it does not grow with the answer, and a large text does not block the page.
 */

import { TextLinks } from "./text_links.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./document_renderer.js").DocumentRenderer} DocumentRenderer */

const SLICE_MS = 8; // of a frame's 16; layout and painting take the rest
const TAIL_CHARS = 32; // compared to find out whether a new text begins with the previous one

export class MarkdownView {
  #element;
  /** @type {Markdown | null} */
  #markdown = null;
  /** @type {DocumentRenderer | null} */
  #renderer = null;
  #text = "";
  /** How many characters the renderer has received, and the last of them. */
  #pushed = 0;
  #tail = "";
  #ended = false;
  #frame = 0;
  #pausedUntil = 0;
  /** @type {() => void} */
  #rendered = () => {};
  #links;

  /**
   * @param {HTMLElement} element
   * @param {MarkdownView} [before] shows a text that this one goes on with: each has the links and footnotes of the other
   */
  constructor(element, before) {
    this.#element = element;
    this.#links = new TextLinks(before ? before.#links : undefined);
    this.#links.changed = () => {
      if (this.#renderer?.lookAgain()) this.#schedule();
    };
    this.#element.classList.add("plain");
    this.#element.dir = "auto";
  }

  /**
   * Renders the text as Markdown from now on. Before this call, the text is shown as it is.
   * @param {Markdown} markdown
   */
  useMarkdown(markdown) {
    this.#markdown = markdown;
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

  /** Takes the text out of those that it was read as one with. */
  remove() {
    cancelAnimationFrame(this.#frame);
    this.#links.remove();
  }

  /** @param {Markdown} markdown */
  #begin(markdown) {
    this.#renderer = markdown.rendererFor(this.#element, this.#links);
    this.#pushed = 0;
    this.#tail = "";
  }

  #schedule() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame((beganAt) => {
      this.#frame = 0;
      // what the browser has laid out within this frame is no pause
      if (beganAt < this.#pausedUntil) return this.#schedule();
      this.#renderSlice();
    });
  }

  /** Renders for one frame, and schedules the next one if more is left. */
  #renderSlice() {
    const startedAt = performance.now();
    this.#renderPart();
    const ended = performance.now();
    // pausing twice as long as the frame took keeps the page responsive on slow machines
    this.#pausedUntil = ended + 2 * (ended - startedAt);
  }

  #renderPart() {
    if (!this.#renderer) {
      this.#element.textContent = this.#text;
      return this.#rendered();
    }
    this.#renderer.push(this.#text.slice(this.#pushed));
    this.#pushed = this.#text.length;
    this.#tail = this.#text.slice(-TAIL_CHARS);
    if (this.#ended) this.#renderer.end();
    const progress = this.#renderer.render(performance.now() + SLICE_MS, () => this.#schedule());
    if (progress === "more") this.#schedule();
    if (progress === "complete") this.#markdown?.name(this.#element);
    this.#element.setAttribute("aria-busy", String(progress !== "complete"));
    this.#rendered();
  }
}
