/**
 * Loads Markdown: our modules, their style sheet and the libraries, a third of the page's bytes, which an empty page does not need. After
 * a deploy they may be of another version than the page; so the page uses them only through `Markdown.rendererFor`.
 */

import { loadLibraries, loadStyles } from "../browser/libraries.js";

const INTERACTIONS = ["pointermove", "pointerdown", "keydown", "input", "click"];

/** @typedef {import("./markdown.js").Markdown} Markdown */

/** @returns {Promise<Markdown | null>} null if something is missing: answers stay plain text; never rejects */
export async function loadMarkdown() {
  const ours = Promise.all([import("./markdown.js"), loadStyles("css/prose.css")]).catch(() => [null]);
  const [[module], libraries] = await Promise.all([ours, loadLibraries()]);
  return module && libraries && new module.Markdown(libraries);
}

/** @returns {Promise<unknown>} fulfilled when the reader moves the pointer, touches or types */
export function firstInteraction() {
  return new Promise((resolve) => {
    const ended = new AbortController();
    /** @param {Event} event */
    const onEvent = (event) => {
      // Browsers send one without a movement where a new page lies below a pointer that rests.
      if (event.type === "pointermove" && event instanceof PointerEvent && !event.movementX && !event.movementY) return;
      ended.abort();
      resolve(undefined);
    };
    for (const type of INTERACTIONS) {
      addEventListener(type, onEvent, { capture: true, passive: true, signal: ended.signal });
    }
  });
}
