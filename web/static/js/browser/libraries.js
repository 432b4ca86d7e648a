/**
 * The vendored libraries. They are copied into ../../vendor/ at build time and may be missing: then the page shows
 * plain text. Specifiers are built at run time, so that neither the type checker nor a missing file stops the page.
 *
 * Markdown's two are loaded with the page; mathematics and highlighting when an answer first needs them.
 */

/**
 * @typedef {object} Libraries
 * @property {typeof import("marked")} marked
 * @property {typeof import("dompurify").default} createPurify
 *
 * @typedef {object} HighlightJs the part of highlight.js that we use; its package brings no types
 * @property {(name: string) => { name?: string } | undefined} getLanguage
 * @property {(code: string, options: { language: string, ignoreIllegals: boolean }) => { value: string }} highlight
 *
 * @typedef {object} Katex the part of KaTeX that we use; its types leave out this function, meant for extensions
 * @property {(tex: string, options: import("katex").KatexOptions) => KatexNode} __renderToDomTree
 *
 * @typedef {{ toNode: () => Node, attributes?: Record<string, string>, children?: KatexNode[] }} KatexNode
 */

const VENDOR = new URL("../../vendor/", import.meta.url);
const FORMULA_FONTS = ["1em KaTeX_Main", "italic 1em KaTeX_Math", "1em KaTeX_Size1", "1em KaTeX_Size2"];

/**
 * Markdown needs its two libraries together.
 * @returns {Promise<Libraries | null>} null where there can be no Markdown; never rejects
 */
export async function loadLibraries() {
  const [marked, purify] = await Promise.all([load("marked.js"), load("dompurify.js")]);
  return marked && purify ? { marked, createPurify: purify.default } : null;
}

/**
 * KaTeX with its style sheet and usual fonts, so that what it sets does not move again when they arrive.
 * @returns {Promise<Katex | null>} never rejects
 */
export async function loadKatex() {
  const [katex] = await Promise.all([load("katex/katex.js"), loadStyles("katex/katex.css")]);
  if (!katex) return null;
  await Promise.allSettled(FORMULA_FONTS.map((font) => document.fonts.load(font)));
  return katex.default;
}

/** @returns {Promise<HighlightJs | null>} never rejects */
export async function loadHighlightJs() {
  return (await load("highlight.js"))?.default ?? null;
}

/** @returns {Promise<typeof import("idb") | null>} null where it is missing: then conversations are kept in memory; never rejects */
export function loadIdb() {
  return load("idb.js");
}

/**
 * @param {string} file
 * @returns {Promise<any>} the module, or null where it is not there
 */
async function load(file) {
  try {
    return await import(new URL(file, VENDOR).href);
  } catch {
    return null; // stated above: the page goes on without it
  }
}

/**
 * @param {string} file
 * @returns {Promise<void>} fulfilled when the style sheet holds, or is known to be missing
 */
function loadStyles(file) {
  return new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(file, VENDOR).href;
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => resolve());
    document.head.append(link);
  });
}
