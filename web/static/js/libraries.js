/**
 * The vendored libraries. They are copied into ../vendor/ at build time and may be missing: then the page shows
 * plain text. Specifiers are built at run time, so that neither the type checker nor a missing file stops the page.
 */

/**
 * @typedef {object} Libraries
 * @property {typeof import("marked")} marked
 * @property {typeof import("dompurify").default} createPurify
 * @property {Highlighter | null} highlighter
 * @property {Katex | null} katex
 *
 * @typedef {object} Highlighter the part of highlight.js that we use; its package brings no types
 * @property {(name: string) => { name?: string } | undefined} getLanguage
 * @property {(code: string, options: { language: string, ignoreIllegals: boolean }) => { value: string }} highlight
 *
 * @typedef {object} Katex the part of KaTeX that we use; its types leave out this function, meant for extensions
 * @property {(tex: string, options: import("katex").KatexOptions) => KatexNode} __renderToDomTree
 *
 * @typedef {{ toNode: () => Node, attributes?: Record<string, string>, children?: KatexNode[] }} KatexNode
 */

const VENDOR = new URL("../vendor/", import.meta.url);

/**
 * Markdown needs its two libraries together. Colours and formulas may be missing each on their own.
 * @returns {Promise<Libraries | null>} null where there can be no Markdown; never rejects
 */
export async function loadLibraries() {
  const [marked, purify, highlighter, katex] = await Promise.all([
    load("marked.js"),
    load("dompurify.js"),
    load("highlight.js"),
    load("katex/katex.js"),
  ]);
  if (!marked || !purify) return null;
  if (katex) addStyles("katex/katex.css");
  return {
    marked,
    createPurify: purify.default,
    highlighter: highlighter?.default ?? null,
    katex: katex?.default ?? null,
  };
}

/** @returns {Promise<import("./database.js").Idb | null>} null where it is missing: then conversations are kept in memory; never rejects */
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

/** @param {string} file */
function addStyles(file) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(file, VENDOR).href;
  document.head.append(link);
}
