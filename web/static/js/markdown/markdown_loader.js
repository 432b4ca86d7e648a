/**
 * Loads Markdown: our modules, their style sheets and the libraries, a third of the page's bytes, which an empty page does not
 * need. The page uses them only through `Markdown.rendererFor`.
 */

import { loadLibraries, loadStyles } from "../browser/libraries.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */

/**
 * @returns {Promise<Markdown>} rejected if something is missing: answers stay plain text
 */
export async function loadMarkdown() {
  const styles = [loadStyles("css/prose.css"), loadStyles("css/code_block.css")];
  const [{ Markdown }, libraries] = await Promise.all([import("./markdown.js"), loadLibraries(), ...styles]);
  if (!libraries) throw new Error("The libraries for Markdown could not be loaded.");
  return new Markdown(libraries);
}
