/** Colours the page's code blocks, through a worker that starts with the first of them. */

import { languageOf, nameLanguage } from "./code_block.js";
import { codeLength, codeVersion } from "./code_lines.js";
import { patchChildren } from "./patch.js";

/** @typedef {import("./highlight_worker.js").Reply} Reply */

const MAX_GROWING = 20_000; // characters; a longer block gets its further colours when it is whole
const MAX_CHARS = 400_000; // about a second of the worker's time
const FRAME_MS = 6; // how long colours may go into the page at a time, so that they never hold up a frame
const PACE = 4; // the worker rests this many times as long as it worked

export class Highlighter {
  /** @type {Worker | null} */
  #worker = null;
  #broken = false;
  /** @type {Set<Element>} */
  #wanted = new Set();
  /** @type {WeakMap<Element, { id: number, length: number, version: number }>} */
  #asked = new WeakMap();
  /** @type {{ code: Element, version: number } | null} */
  #current = null;
  #lastId = 0;

  /**
   * @param {Element} code in the page
   * @param {{ growing: boolean }} state
   */
  colour(code, { growing }) {
    if (this.#broken || !languageOf(code) || codeLength(code) > (growing ? MAX_GROWING : MAX_CHARS)) return;
    const asked = this.#asked.get(code);
    if (asked?.length === codeLength(code) && asked.version === codeVersion(code)) return;
    this.#wanted.add(code);
    this.#next();
  }

  /** @returns {void} */
  #next() {
    if (this.#current) return;
    const [code] = this.#wanted;
    if (!code) return;
    this.#wanted.delete(code);
    if (!code.isConnected) return this.#next();
    const version = codeVersion(code);
    const asked = this.#asked.get(code);
    const id = asked?.version === version ? asked.id : ++this.#lastId;
    this.#asked.set(code, { id, length: codeLength(code), version });
    this.#current = { code, version };
    const boxes = Array.from(code.children, (box) => box.textContent ?? "");
    this.#started()?.postMessage({ id, language: languageOf(code), boxes });
  }

  #started() {
    if (this.#worker || this.#broken) return this.#worker;
    try {
      this.#worker = new Worker(new URL("./highlight_worker.js", import.meta.url), { type: "module" });
      this.#worker.addEventListener("message", ({ data }) => void this.#show(data));
      this.#worker.addEventListener("error", () => this.#giveUp());
    } catch {
      this.#giveUp();
    }
    return this.#worker;
  }

  /** A browser without such workers shows code without colours. */
  #giveUp() {
    this.#broken = true;
    this.#worker = null;
    this.#current = null;
    this.#wanted.clear();
  }

  /** @param {Reply} reply */
  async #show({ name, boxes, took }) {
    const current = this.#current;
    if (!current) return;
    const { code, version } = current;
    if (boxes.length > 0) nameLanguage(code, name);
    let sliceBegan = performance.now();
    for (const [index, html] of boxes.entries()) {
      if (html === null) continue;
      if (performance.now() - sliceBegan > FRAME_MS) {
        await new Promise(requestAnimationFrame);
        sliceBegan = performance.now();
      }
      if (codeVersion(code) !== version) break;
      colourBox(code, index, html);
    }
    setTimeout(() => {
      this.#current = null;
      this.#next();
    }, took * PACE);
  }
}

/**
 * @param {Element} code
 * @param {number} index of a box
 * @param {string} html its text, escaped, with spans around; the text may have grown since
 */
function colourBox(code, index, html) {
  const box = code.children[index];
  if (!box) return;
  const coloured = document.createElement("template");
  coloured.innerHTML = html;
  const known = coloured.content.textContent?.length ?? 0;
  const more = (box.textContent ?? "").slice(known);
  if (more) coloured.content.append(more);
  patchChildren(box, coloured.content);
}
