/**
 * Loads Markdown: our modules, their style sheet and the libraries, a third of the page's bytes, which an empty page does not need. After
 * a deploy they may be of another version than the page; so the page uses them only through `Markdown.rendererFor`.
 */

import { loadLibraries, loadStyles } from "../browser/libraries.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */

/** @returns {Promise<Markdown | null>} null if something is missing: answers stay plain text; never rejects */
export async function loadMarkdown() {
  const ours = Promise.all([import("./markdown.js"), loadStyles("css/prose.css")]).catch(() => [null]);
  const [[module], libraries] = await Promise.all([ours, loadLibraries()]);
  return module && libraries && new module.Markdown(libraries);
}
