/** Brings Markdown, a third of the page's bytes, which an empty page has no use for. */

import { loadLibraries } from "./libraries.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */

const SIGNS = ["pointermove", "pointerdown", "keydown", "input", "click"];

/** @returns {Promise<Markdown | null>} null where it cannot be had: answers stay plain text; never rejects */
export async function loadMarkdown() {
  const module = import("./markdown.js").catch(() => null);
  const libraries = await loadLibraries();
  const Markdown = (await module)?.Markdown;
  return libraries && Markdown ? new Markdown(libraries) : null;
}

/** @returns {Promise<unknown>} fulfilled when the reader moves, touches or types: an answer may follow */
export function readerStirs() {
  return new Promise((resolve) => {
    for (const sign of SIGNS) addEventListener(sign, resolve, { once: true, capture: true, passive: true });
  });
}
