/**
 * Mathematics in Markdown: `$$...$$`, `\[...\]`, `\(...\)` and, with restrictions, `$...$`.
 *
 * The Markdown parser turns each formula into an element with its TeX as text, which the sanitiser handles like any
 * text. Typesetting then replaces the text by KaTeX's nodes: KaTeX's output is never parsed as HTML.
 */

/** @typedef {import("marked").TokenizerAndRendererExtension} Extension */
/** @typedef {import("../browser/libraries.js").Katex} Katex */
/** @typedef {import("../browser/libraries.js").KatexNode} KatexNode */

import { setSource } from "./patch.js";

// As in TeX, a formula has no empty line. So an unclosed `$$` affects one paragraph and not the whole answer.
const DISPLAY = /^(?:\$\$((?:\\\$|(?!\n[ \t]*\n)[^$])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[^])+?)\\\])/;
const OPEN_DISPLAY = /^(?:\$\$|\\\[)((?:(?!\n[ \t]*\n|\$\$|\\\])[^])*)$/;
const PARENTHESES = /^\\\(((?:(?!\n[ \t]*\n)[^])+?)\\\)/;
// As in Pandoc: no space inside the dollars, no digit after them. Also no letter after them, for $HOME/$USER.
const DOLLARS = /^\$(?![\s$])((?:\\[^]|[^$\\\n]|\n(?!\s*\n))+?)(?<![\s\\])\$(?![0-9A-Za-z$])/;
const AMOUNT = /^\d[\d.,]*\s+[A-Za-z]{2,}/; // "$5 per user or 10$": a number followed by words is no formula
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
 * Typesets an element's formulas in place. A formula that KaTeX cannot parse stays as its TeX.
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

/**
 * Records the TeX of each formula, so that `patchChildren` keeps typeset ones while the paragraph grows.
 * @param {ParentNode} root
 */
export function recordFormulaSources(root) {
  for (const element of root.querySelectorAll(".formula")) setSource(element, element.textContent ?? "");
}

/**
 * Removes the `style` attributes that KaTeX sets: the Content-Security-Policy refuses them. They repeat what the style
 * sheet or a width attribute says; all other styles are set as properties, which the policy allows.
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
