/**
 * A growing text, shown as Markdown in one element. Blocks that can change no more are left alone, so that the
 * work of a frame depends on the last block and not on the length of the answer.
 */

import { patchChildren } from "./patch.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("marked").Token} Token */

export class MarkdownView {
  #element;
  /** @type {Markdown | null} */
  #markdown = null;
  #text = "";
  #frame = 0;
  #restsUntil = 0;
  /** How much of the text is settled, and in how many nodes it is shown. */
  #settledChars = 0;
  #settledNodes = 0;
  /** @type {import("marked").Links} */
  #links = {};

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#element.classList.add("plain");
  }

  /**
   * From here on the text is shown as Markdown. Until then, and without it, it is shown as it is.
   * @param {Markdown} markdown
   */
  use(markdown) {
    this.#markdown = markdown;
    this.#element.classList.remove("plain");
    this.#element.replaceChildren();
    this.finish(this.#text);
  }

  /**
   * Shows the text with the next frame; of several texts within one frame, the last. After a slow one, such as
   * that of a very long block, it rests twice as long as that took, so that the page stays usable.
   *
   * @param {string} text everything so far
   * @param {() => void} shown called after it is in the page
   */
  grow(text, shown) {
    this.#text = text;
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const began = performance.now();
      if (began < this.#restsUntil) return this.grow(this.#text, shown);
      this.#showGrowing();
      shown();
      const ended = performance.now();
      this.#restsUntil = ended + 2 * (ended - began);
    });
  }

  /**
   * Shows the text at once and whole: a definition at its end may change a link at its start.
   * @param {string} text
   */
  finish(text) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#text = text;
    this.#settledChars = 0;
    this.#settledNodes = 0;
    this.#links = {};
    if (!this.#markdown) return this.#showPlain();
    const blocks = this.#markdown.blocks(normalised(text), {});
    patchChildren(this.#element, this.#markdown.render(blocks));
  }

  #showPlain() {
    this.#element.textContent = this.#text;
  }

  #showGrowing() {
    if (!this.#markdown) return this.#showPlain();
    const text = normalised(this.#text);
    if (text.length < this.#settledChars) this.#settledChars = this.#settledNodes = 0; // another text
    const blocks = this.#markdown.blocks(text.slice(this.#settledChars), this.#links);
    const open = firstOpen(blocks);
    const fragment = this.#markdown.render(blocks.slice(0, open));
    const settled = fragment.childNodes.length;
    fragment.append(this.#markdown.render(blocks.slice(open)));
    patchChildren(this.#element, fragment, this.#settledNodes);
    this.#settledNodes += settled;
    this.#settledChars += blocks.slice(0, open).reduce((sum, { raw }) => sum + raw.length, 0);
  }
}

/**
 * The first block that more text can still change: the last one that is not empty, or the first of raw HTML,
 * whose elements can reach over many blocks.
 *
 * @param {Token[]} blocks
 */
function firstOpen(blocks) {
  const html = blocks.findIndex(({ type }) => type === "html");
  const last = blocks.findLastIndex(({ type }) => type !== "space");
  return Math.max(0, html < 0 ? last : Math.min(html, last));
}

/** @param {string} text */
function normalised(text) {
  return text.replace(/\r\n?/g, "\n");
}
