/** Loads Markdown's libraries: a quarter of the page's bytes, which an empty page does not need. */

import { loadLibraries } from "../browser/libraries.js";
import { Markdown } from "./markdown.js"; // static: after a deploy, a later import would load another version

const INTERACTIONS = ["pointermove", "pointerdown", "keydown", "input", "click"];

/** @returns {Promise<Markdown | null>} null if a library is missing: answers stay plain text; never rejects */
export async function loadMarkdown() {
  const libraries = await loadLibraries();
  return libraries && new Markdown(libraries);
}

/** @returns {Promise<unknown>} fulfilled when the reader moves the pointer, touches or types */
export function firstInteraction() {
  return new Promise((resolve) => {
    for (const type of INTERACTIONS) addEventListener(type, resolve, { once: true, capture: true, passive: true });
  });
}
