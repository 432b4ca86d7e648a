/** Highlights the page's code blocks in a worker, which starts with the first of them. */

import { languageOf, showLanguageName } from "./code_block.js";
import { codeLength, codeVersion } from "./code_lines.js";
import { patchChildren } from "./patch.js";

/** @typedef {import("./highlight_worker.js").Reply} Reply */

const MAX_GROWING = 20_000; // characters; a longer block is highlighted when it is complete
const MAX_CHARS = 400_000; // about a second of the worker's time
const SLICE_MS = 6; // the time that each frame spends on inserting highlighted code
const REST_FACTOR = 4; // the worker pauses this many times as long as it worked

export class Highlighter {
  /** @type {Worker | null} */
  #worker = null;
  #isDisabled = false;
  /** @type {Set<Element>} */
  #queue = new Set();
  /** @type {WeakMap<Element, { id: number, length: number, version: number }>} */
  #requested = new WeakMap();
  /** @type {{ code: Element, version: number } | null} */
  #current = null;
  #lastId = 0;

  /**
   * @param {Element} code in the page
   * @param {{ growing: boolean }} state
   */
  highlight(code, { growing }) {
    if (this.#isDisabled || !languageOf(code) || codeLength(code) > (growing ? MAX_GROWING : MAX_CHARS)) return;
    const requested = this.#requested.get(code);
    if (requested?.length === codeLength(code) && requested.version === codeVersion(code)) return;
    this.#queue.add(code);
    this.#sendNext();
  }

  /** @returns {void} */
  #sendNext() {
    if (this.#current) return;
    const [code] = this.#queue;
    if (!code) return;
    this.#queue.delete(code);
    if (!code.isConnected) return this.#sendNext();
    const version = codeVersion(code);
    const requested = this.#requested.get(code);
    const id = requested?.version === version ? requested.id : ++this.#lastId;
    this.#requested.set(code, { id, length: codeLength(code), version });
    this.#current = { code, version };
    const boxes = Array.from(code.children, (box) => box.textContent ?? "");
    this.#startedWorker()?.postMessage({ id, language: languageOf(code), boxes });
  }

  #startedWorker() {
    if (this.#worker || this.#isDisabled) return this.#worker;
    try {
      this.#worker = new Worker(new URL("./highlight_worker.js", import.meta.url), { type: "module" });
      this.#worker.addEventListener("message", ({ data }) => void this.#show(data));
      this.#worker.addEventListener("error", () => this.#disable());
    } catch {
      this.#disable();
    }
    return this.#worker;
  }

  /** A browser without module workers shows code without highlighting. */
  #disable() {
    this.#isDisabled = true;
    this.#worker = null;
    this.#current = null;
    this.#queue.clear();
  }

  /** @param {Reply} reply */
  async #show({ name, boxes, durationMs }) {
    const current = this.#current;
    if (!current) return;
    const { code, version } = current;
    if (boxes.length > 0) showLanguageName(code, name);
    let sliceBegan = performance.now();
    for (const [index, html] of boxes.entries()) {
      if (html === null) continue;
      if (performance.now() - sliceBegan > SLICE_MS) {
        await new Promise(requestAnimationFrame);
        sliceBegan = performance.now();
      }
      if (codeVersion(code) !== version) break;
      highlightBox(code, index, html);
    }
    setTimeout(() => {
      this.#current = null;
      this.#sendNext();
    }, durationMs * REST_FACTOR);
  }
}

/**
 * @param {Element} code
 * @param {number} index of a box
 * @param {string} html the highlighted text of the box; the box may have grown since
 */
function highlightBox(code, index, html) {
  const box = code.children[index];
  if (!box) return;
  const highlighted = document.createElement("template");
  highlighted.innerHTML = html;
  const known = highlighted.content.textContent?.length ?? 0;
  const more = (box.textContent ?? "").slice(known);
  if (more) highlighted.content.append(more);
  patchChildren(box, highlighted.content);
}
