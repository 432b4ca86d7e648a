/** Brings Markdown's libraries, a quarter of the page's bytes, which an empty page has no use for. */

import { loadLibraries } from "../browser/libraries.js";
import { Markdown } from "./markdown.js"; // not later, too: after a deploy, it would come from another version

const INTERACTIONS = ["pointermove", "pointerdown", "keydown", "input", "click"];

/** @returns {Promise<Markdown | null>} null where a library is missing: answers stay plain text; never rejects */
export async function loadMarkdown() {
  const libraries = await loadLibraries();
  return libraries && new Markdown(libraries);
}

/** @returns {Promise<unknown>} fulfilled when the reader moves, touches or types: an answer may follow */
export function firstInteraction() {
  return new Promise((resolve) => {
    for (const type of INTERACTIONS) addEventListener(type, resolve, { once: true, capture: true, passive: true });
  });
}
