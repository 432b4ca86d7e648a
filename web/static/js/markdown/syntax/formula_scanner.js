/**
 * Finds formulas in a text: `$$...$$`, `\[...\]`, `\(...\)`, bare environments such as `\begin{align}...\end{align}`,
 * and, with restrictions, `$...$`. Each search for a closing delimiter that fails is remembered, so the work for all
 * openers together is linear.
 */

import { isProseBetweenBrackets, isProseBetweenDollars, isProseBetweenParentheses } from "./prose.js";

/** @typedef {{ end: number, display: boolean }} Formula */

const ENVIRONMENT =
  /\\begin\{((?:align|alignat|aligned|alignedat|equation|gather|gathered|multline|eqnarray|cases|rcases|split|array|CD|matrix|pmatrix|bmatrix|Bmatrix|vmatrix|Vmatrix|smallmatrix)\*?)\}/y;
const ORDINAL = /(?:th|st|nd|rd|s|D)(?![A-Za-z0-9])/y; // "the $n$th element"
const SIMPLE = /^(?:[A-Za-z0-9]|[^]*[\\^{][^]*)$/;

export class FormulaScanner {
  #src;
  /** @type {Set<string>} closing delimiters that the rest of the text does not have */
  #missing = new Set();

  /** @param {string} src */
  constructor(src) {
    this.#src = src;
  }

  /**
   * @param {number} at the index of a `$` or a backslash
   * @param {number} [max] where the text ends
   * @returns {Formula | null} the formula that begins there
   */
  formulaAt(at, max = this.#src.length) {
    const opener = this.openerAt(at);
    if (opener === "$") return this.#dollars(at, max);
    if (!opener) return null;
    const close = this.closeAt(at, max);
    if (close < 0) return null;
    const display = opener !== "\\(";
    if (opener.startsWith("\\begin")) return { end: close + closerOf(opener).length, display };
    const isProse = display ? isProseBetweenBrackets : isProseBetweenParentheses;
    if (isProse(this.#src.slice(at + 2, close))) return null;
    return { end: close + 2, display };
  }

  /**
   * @param {number} at
   * @returns {string} the opening delimiter there; empty if there is none
   */
  openerAt(at) {
    const src = this.#src;
    if (src[at] === "$") {
      if (src[at + 1] !== "$") return "$";
      return src[at + 2] !== "$" && src[at - 1] !== "$" ? "$$" : "";
    }
    if (src[at] !== "\\") return "";
    if (src[at + 1] === "(" || src[at + 1] === "[") return src.slice(at, at + 2);
    ENVIRONMENT.lastIndex = at;
    return ENVIRONMENT.exec(src)?.[0] ?? "";
  }

  /**
   * @param {number} at the index of an opening delimiter other than `$`
   * @param {number} [max]
   * @returns {number} the index of its closing delimiter; -1 if there is none
   */
  closeAt(at, max = this.#src.length) {
    const opener = this.openerAt(at);
    const closer = closerOf(opener);
    if (opener === "" || this.#missing.has(closer)) return -1;
    const src = this.#src;
    let depth = 1;
    for (let from = at + opener.length; from < max; from++) {
      const isCloser = src.startsWith(closer, from);
      if (isCloser && --depth === 0) {
        // `$$$` closes no `$$`
        return from + closer.length <= max && !(closer === "$$" && src[from + 2] === "$") ? from : -1;
      }
      if (opener.startsWith("\\begin") && src.startsWith(opener, from)) depth++;
      if (src[from] === "\\") from++;
    }
    if (max === src.length) this.#missing.add(closer);
    return -1;
  }

  /**
   * As in Pandoc: no space inside the dollars, no digit after them.
   *
   * @param {number} at
   * @param {number} max
   * @returns {Formula | null}
   */
  #dollars(at, max) {
    const src = this.#src;
    const isIndex = /[_^]/.test(src[at + 1] ?? ""); // H$_2$O
    if (this.#missing.has("$") || !/\S/.test(src[at + 1] ?? "")) return null;
    if ((isIndex ? /[$\\]/ : /[0-9A-Za-z$\\]/).test(src[at - 1] ?? "")) return null;
    let close = at + 1;
    while (close < max && src[close] !== "$") close += src[close] === "\\" ? 2 : 1;
    if (close >= max) {
      if (max === src.length) this.#missing.add("$");
      return null;
    }
    const tex = src.slice(at + 1, close);
    if (/\s$/.test(tex) || /\n.*\n/.test(tex) || isProseBetweenDollars(tex)) return null;
    if (/[0-9$]/.test(src[close + 1] ?? "")) return null;
    if (/[A-Za-z]/.test(src[close + 1] ?? "") && !isIndex) {
      ORDINAL.lastIndex = close + 1;
      if (!SIMPLE.test(tex) || !ORDINAL.test(src)) return null; // $HOME/$USER
    }
    return { end: close + 1, display: false };
  }
}

/** @param {string} opener */
function closerOf(opener) {
  if (opener.startsWith("\\begin")) return `\\end${opener.slice("\\begin".length)}`;
  return { $$: "$$", "\\(": "\\)", "\\[": "\\]" }[opener] ?? "";
}
