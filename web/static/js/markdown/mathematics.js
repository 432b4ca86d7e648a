/**
 * Mathematics in Markdown: `$$...$$`, `\[...\]`, `\(...\)` and, with care, `$...$`.
 *
 * Markdown turns each into an element that holds its TeX as text, which passes the sanitiser like any other text.
 * Only then is the element typeset, node by node: KaTeX's output never is a string of HTML.
 */

/** @typedef {import("marked").TokenizerAndRendererExtension} Extension */
/** @typedef {import("../browser/libraries.js").Katex} Katex */
/** @typedef {import("../browser/libraries.js").KatexNode} KatexNode */

import { setSource } from "./patch.js";

// A formula holds no empty line, as in TeX; so a forgotten `$$` takes one paragraph along, not the whole answer.
const DISPLAY = /^(?:\$\$((?:\\\$|(?!\n[ \t]*\n)[^$])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[^])+?)\\\])/;
const OPEN_DISPLAY = /^(?:\$\$|\\\[)((?:(?!\n[ \t]*\n|\$\$|\\\])[^])*)$/;
const PARENTHESES = /^\\\(((?:(?!\n[ \t]*\n)[^])+?)\\\)/;
// As Pandoc does: no space inside the dollars, no digit after them. And no letter, so that $HOME/$USER stays.
const DOLLARS = /^\$(?![\s$])((?:\\[^]|[^$\\\n]|\n(?!\s*\n))+?)(?<![\s\\])\$(?![0-9A-Za-z$])/;
const AMOUNT = /^\d[\d.,]*\s+[A-Za-z]{2,}/; // "$5 per user or 10$": words after a number are prose
const START = /\\[([]|\$\$|(?<![0-9A-Za-z$\\])\$(?![\s$])/;

const TYPESET = "data-typeset";

/** @type {Extension} */
const block = {
  name: "displayFormula",
  level: "block",
  start: (source) => firstIndex(source, /^(?:\$\$|\\\[)/m),
  tokenizer(source) {
    const indent = /^ {0,3}/.exec(source)?.[0] ?? "";
    const rest = source.slice(indent.length);
    const whole = DISPLAY.exec(rest);
    if (whole && /^[ \t.,;:]*(?:\n|$)/.test(rest.slice(whole[0].length))) {
      return { type: "displayFormula", raw: indent + whole[0], tex: whole[1] ?? whole[2] ?? "" };
    }
    const open = whole ? null : OPEN_DISPLAY.exec(rest);
    return open ? { type: "displayFormula", raw: source, open: true, tex: rest } : undefined;
  },
  renderer: ({ tex, open }) =>
    open ? `<div class="formula-open">${escape(tex)}</div>` : `<div class="formula">${escape(tex)}</div>`,
};

/** @type {Extension} */
const inline = {
  name: "formula",
  level: "inline",
  start: (source) => firstIndex(source, START),
  tokenizer(source) {
    const display = DISPLAY.exec(source);
    if (display) return { type: "formula", raw: display[0], display: true, tex: display[1] ?? display[2] ?? "" };
    const match = PARENTHESES.exec(source) ?? DOLLARS.exec(source);
    if (!match || (match[0].startsWith("$") && AMOUNT.test(match[1] ?? ""))) return undefined;
    return { type: "formula", raw: match[0], tex: match[1] ?? "" };
  },
  renderer: ({ tex, display }) =>
    `<span class="${display ? "formula formula-display" : "formula"}">${escape(tex)}</span>`,
};

/** For marked's `use`. */
export const formulas = [block, inline];

/**
 * Typesets the formulas in and below an element in place. What KaTeX cannot read stays as the TeX that it is.
 *
 * @param {Element} root
 * @param {Katex} katex
 */
export function typeset(root, katex) {
  const below = root.querySelectorAll(`.formula:not([${TYPESET}])`);
  for (const element of root.matches(`.formula:not([${TYPESET}])`) ? [root, ...below] : below) {
    const displayMode = element.tagName === "DIV" || element.classList.contains("formula-display");
    const tex = element.textContent ?? "";
    element.setAttribute(TYPESET, "");
    try {
      const tree = katex.__renderToDomTree(tex, { displayMode, strict: "ignore", trust: false, maxSize: 40, maxExpand: 500 });
      removeStyleAttributes(tree);
      element.replaceChildren(tree.toNode());
    } catch {
      element.classList.add("formula-unreadable");
    }
  }
}

/** Names what each formula is made of, so that it is not made again while its paragraph grows. @param {ParentNode} root */
export function recordFormulaSources(root) {
  for (const element of root.querySelectorAll(".formula")) setSource(element, element.textContent ?? "");
}

/**
 * KaTeX sets most styles as properties, which the Content-Security-Policy allows, and a few as attributes, which
 * it refuses. Those few repeat what the style sheet or a width attribute already says.
 *
 * @param {KatexNode} node
 */
function removeStyleAttributes(node) {
  if (node.attributes) delete node.attributes.style;
  node.children?.forEach(removeStyleAttributes);
}

/**
 * @param {string} source
 * @param {RegExp} pattern
 */
function firstIndex(source, pattern) {
  const index = source.search(pattern);
  return index < 0 ? undefined : index;
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
