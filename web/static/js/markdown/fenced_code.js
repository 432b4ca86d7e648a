/** A growing fenced code block: which of its lines can no longer change, and where it ends. */

import { FenceNesting } from "./syntax/nested_fences.js";

/**
 * @typedef {object} CodeLines
 * @property {string} text of the lines
 * @property {number} length of their source
 * @property {boolean} ends whether the block ends with them
 */

const FENCE = /^( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,})([^\n]*)\n/;
const LANGUAGE = /^[ \t]*([\w+#.-]*)/;

export class FencedCode {
  #indent;
  #nesting;
  /** Whether the lines that were returned before end within a line. */
  #isMidLine = false;

  /**
   * @param {string} source
   * @returns {FencedCode | null} the block that the source begins with; null until the fence's line is complete
   */
  static parse(source) {
    const fence = FENCE.exec(source);
    return fence && new FencedCode(fence);
  }

  /** @param {RegExpExecArray} fence */
  constructor([line, indent = "", marker = "", info = ""]) {
    this.fenceLength = line.length;
    this.language = LANGUAGE.exec(info)?.[1] ?? "";
    this.#indent = indent.length;
    this.#nesting = new FenceNesting(marker, info);
  }

  /**
   * @param {string} lookahead the source after the fence, or after the lines that were returned before
   * @param {{ isFull: boolean, isLast: boolean }} bounds whether `lookahead` has the maximal size, and whether it is
   *   the end of the source
   * @returns {CodeLines | null} the lines that can no longer change; null if there are none
   */
  next(lookahead, { isFull, isLast }) {
    let length = 0;
    for (let end = lookahead.indexOf("\n"); end >= 0; end = lookahead.indexOf("\n", length)) {
      const line = lookahead.slice(length, end);
      if (!(length === 0 && this.#isMidLine) && this.#closes(line)) return this.#lines(lookahead.slice(0, length), end + 1, true);
      length = end + 1;
    }
    // a closing fence at the end of the received text may still become a line of code
    const last = lookahead.slice(length);
    if (isLast) {
      if (last !== "" && !(length === 0 && this.#isMidLine) && this.#closes(last)) return this.#lines(lookahead.slice(0, length), lookahead.length, true);
      const text = lookahead === "" || lookahead.endsWith("\n") ? lookahead : `${lookahead}\n`;
      return this.#lines(text, lookahead.length, true);
    }
    const isUncertain = this.#indent > 0 || (!(length === 0 && this.#isMidLine) && /^ {0,3}(?:`|~|$)/.test(last));
    if ((isFull && length === 0) || !isUncertain) length = lookahead.length;
    return length > 0 ? this.#lines(lookahead.slice(0, length), length, false) : null;
  }

  /** @param {string} line */
  #closes(line) {
    const indent = /^ {0,3}/.exec(line)?.[0].length ?? 0;
    return this.#nesting.closes(line.slice(indent));
  }

  /**
   * @param {string} text
   * @param {number} length
   * @param {boolean} ends
   * @returns {CodeLines}
   */
  #lines(text, length, ends) {
    this.#isMidLine = text !== "" && !text.endsWith("\n");
    const shown = this.#indent > 0 ? text.replace(new RegExp(`^ {1,${this.#indent}}`, "gm"), "") : text;
    return { text: shown, length, ends };
  }
}
