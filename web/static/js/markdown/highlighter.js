/** Highlights the page's code blocks in a worker, which starts with the first of them. */

import { languageOf, showLanguageName } from "./code_block.js";
import { codeLength, codeVersion } from "./code_lines.js";
import { patchChildren } from "./patch.js";
import { loadPersistently } from "../ui/part_loader.js";
import { WaitingElements } from "./waiting_elements.js";

/** @typedef {import("./highlight_worker.js").Reply} Reply */
/** @typedef {import("./highlight_worker.js").Request} Request */

const MAX_GROWING = 20_000; // characters; a longer block is highlighted when it is complete
const MAX_CHARS = 400_000; // about a second of the worker's time
const SLICE_MS = 6; // the time that each frame spends on inserting highlighted code
// Some grammars take minutes for some texts: 20,000 characters of `[a](` as Markdown. Their worker is ended.
const LIMIT_MS = 5_000;
const MAX_OVERRUNS = 5; // then no more code of this page is highlighted
const MAX_ERRORS = 20; // of workers that do not start, online: their file is not only missing while the server restarts
const REST_FACTOR = 4; // the worker pauses this many times as long as it worked

export class Highlighter {
  /** @type {Worker | null} */
  #worker = null;
  #isDisabled = false;
  #queue = new WaitingElements();
  /** @type {WeakMap<Element, { id: number, length: number, version: number }>} */
  #requested = new WeakMap();
  /** @type {{ code: Element, version: number } | null} */
  #current = null;
  #lastId = 0;
  /** Code that took longer than the limit: it stays as it is. @type {WeakSet<Element>} */
  #slow = new WeakSet();
  #overruns = 0;
  #limit = 0;
  /** What the worker is sent when it is ready. @type {Request | null} */
  #pending = null;

  /**
   * @param {Element} code in the page
   * @param {{ growing: boolean }} state
   */
  highlight(code, { growing }) {
    if (this.#isDisabled || this.#slow.has(code) || !languageOf(code) || codeLength(code) > (growing ? MAX_GROWING : MAX_CHARS)) return;
    const requested = this.#requested.get(code);
    if (requested?.length === codeLength(code) && requested.version === codeVersion(code)) return;
    this.#queue.add(code);
    this.#sendNext();
  }

  #sendNext() {
    if (this.#current) return;
    const code = this.#queue.take();
    if (!code) return;
    const version = codeVersion(code);
    const requested = this.#requested.get(code);
    const id = requested?.version === version ? requested.id : ++this.#lastId;
    this.#requested.set(code, { id, length: codeLength(code), version });
    this.#current = { code, version };
    const boxes = Array.from(code.children, (box) => box.textContent ?? "");
    this.#pending = { id, language: languageOf(code), boxes };
    if (this.#worker) this.#send();
    else void this.#startWorker();
  }

  async #startWorker() {
    this.#worker = await loadWorker();
    if (!this.#worker) return this.#disable();
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", () => this.#disable());
    this.#send();
  }

  /** Sends what waits. The time limit begins now and not earlier: the worker's files may be slow to load. */
  #send() {
    this.#worker?.postMessage(this.#pending);
    this.#pending = null;
    this.#limit = setTimeout(() => this.#giveUp(), LIMIT_MS);
  }

  /** Ends the worker, and goes on with the next code in a new one. */
  #giveUp() {
    if (this.#current) this.#slow.add(this.#current.code);
    this.#endWorker();
    if (++this.#overruns === MAX_OVERRUNS) return this.#disable();
    this.#current = null;
    this.#sendNext();
  }

  #endWorker() {
    clearTimeout(this.#limit);
    this.#worker?.terminate();
    this.#worker = null;
  }

  /** Code stays as it is. */
  #disable() {
    this.#endWorker();
    this.#isDisabled = true;
    this.#current = this.#pending = null;
    this.#queue.clear();
  }

  /** @param {Reply} reply */
  #receive(reply) {
    clearTimeout(this.#limit);
    void this.#show(reply);
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

/** @returns {Promise<Worker | null>} one that is ready; null if the browser or a policy refuses it. Never rejects */
function loadWorker() {
  let errors = 0;
  return loadPersistently(
    () =>
      new Promise((resolve, reject) => {
        const worker = newWorker();
        if (!worker) return resolve(null);
        const fail = () => {
          worker.terminate();
          reject(new Error("The worker could not be loaded."));
        };
        worker.addEventListener("message", ({ data: isReady }) => (isReady ? resolve(worker) : fail()), { once: true });
        const onError = () => {
          if (navigator.onLine && ++errors === MAX_ERRORS) resolve(null);
          fail();
        };
        worker.addEventListener("error", onError, { once: true });
      }),
  );
}

/** @returns {Worker | null} null if the browser, or a policy, refuses to make one */
function newWorker() {
  try {
    return new Worker(new URL("./highlight_worker.js", import.meta.url), { type: "module" });
  } catch {
    return null;
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
