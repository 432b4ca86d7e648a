/**
 * Loads the vendored libraries. They are copied into ../../vendor/ at build time and may be missing: the page then
 * works without them. Specifiers are built at run time, so a missing file fails neither the type check nor the page.
 *
 * KaTeX and highlight.js are loaded when an answer first needs them.
 */

/**
 * @typedef {object} Libraries
 * @property {typeof import("markdown-it").default} MarkdownIt
 * @property {typeof import("dompurify").default} createPurify
 *
 * @typedef {object} HighlightJs the used part of highlight.js; its package has no types
 * @property {(name: string) => { name?: string } | undefined} getLanguage
 * @property {(code: string, options: { language: string, ignoreIllegals: boolean }) => { value: string }} highlight
 *
 * @typedef {object} Katex the used part of KaTeX; its types omit this function, meant for extensions
 * @property {(tex: string, options: import("katex").KatexOptions) => KatexNode} __renderToDomTree
 *
 * @typedef {{ toNode: () => Node, attributes?: Record<string, string>, style?: { color?: string }, children?: KatexNode[] }} KatexNode
 */

export const STATIC = new URL("../../", import.meta.url);
const FORMULA_FONTS = ["1em KaTeX_Main", "italic 1em KaTeX_Math", "1em KaTeX_Size1", "1em KaTeX_Size2"];

/**
 * Loads the libraries for Markdown.
 * @returns {Promise<Libraries | null>} null if one of them is missing; never rejects
 */
export async function loadLibraries() {
  const [markdownIt, purify] = await Promise.all([load("markdown-it.js"), load("dompurify.js")]);
  return markdownIt && purify ? { MarkdownIt: markdownIt.default, createPurify: purify.default } : null;
}

/**
 * Loads KaTeX with its style sheet and main fonts, so that formulas do not shift when these arrive.
 * @returns {Promise<Katex>} rejected if it or the style sheet is missing, and the next call tries again
 */
export async function loadKatex() {
  const [katex] = await Promise.all([load("katex/katex.js"), loadStyles("vendor/katex/katex.css")]);
  if (!katex) throw new Error("KaTeX could not be loaded.");
  await Promise.allSettled(FORMULA_FONTS.map((font) => document.fonts.load(font)));
  return katex.default;
}

/** @returns {Promise<HighlightJs | null>} never rejects */
export async function loadHighlightJs() {
  return (await load("highlight.js"))?.default ?? null;
}

/** @returns {Promise<typeof import("idb")>} rejected if it is missing, and the next call tries again */
export async function loadIdb() {
  const idb = await load("idb.js");
  if (!idb) throw new Error("idb could not be loaded.");
  return idb;
}

/** @returns {Promise<Pick<typeof import("unzipit"), "unzip"> | null>} never rejects */
export function loadUnzipit() {
  return load("unzipit.js");
}

/**
 * @param {string} file
 * @returns {Promise<any>} the module; null if it is missing
 */
async function load(file) {
  try {
    return await import(new URL(`vendor/${file}`, STATIC).href);
  } catch {
    return null; // the page works without it, see above
  }
}

/** @type {Map<string, Promise<void>>} */
const sheets = new Map();

/**
 * Loads a style sheet, unless it is loaded already.
 * @param {string} file its path below static/
 * @returns {Promise<void>} fulfilled when its rules apply; rejected if it is missing, and the next call tries again
 */
export function loadStyles(file) {
  const sheet = sheets.get(file) ?? addStyles(file);
  sheets.set(file, sheet);
  return sheet;
}

/** @param {string} file @returns {Promise<void>} */
function addStyles(file) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.nonce = document.querySelector("script")?.nonce ?? ""; // of the page's policy
    link.rel = "stylesheet";
    link.href = new URL(file, STATIC).href;
    link.onload = () => resolve();
    link.onerror = () => {
      link.remove();
      sheets.delete(file);
      reject(new Error(`${file} could not be loaded.`));
    };
    document.head.append(link);
  });
}
