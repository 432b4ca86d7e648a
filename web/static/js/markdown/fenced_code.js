/** A growing fenced code block: which of its lines can no longer change, and where it ends. */

/**
 * @typedef {object} CodeLines
 * @property {string} text of the lines
 * @property {number} length of their source
 * @property {boolean} ends whether the block ends with them
 */

const FENCE = /^( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n/;

export class FencedCode {
  #indent;
  #closing;

  /**
   * @param {string} source
   * @returns {FencedCode | null} the block that the source begins with; null until the fence's line is complete
   */
  static parse(source) {
    const fence = FENCE.exec(source);
    return fence && new FencedCode(fence);
  }

  /** @param {RegExpExecArray} fence */
  constructor([line, indent = "", marker = "", language = ""]) {
    this.fenceLength = line.length;
    this.language = language;
    this.#indent = indent.length;
    this.#closing = new RegExp(`^ {0,3}${marker}${marker.charAt(0)}*[ \\t]*(?:\\n|$)`, "m");
  }

  /**
   * @param {string} lookahead the source after the fence, or after the lines that were returned before
   * @param {{ isFull: boolean, isLast: boolean }} bounds whether `lookahead` has the maximal size, and whether it is
   *   the end of the source
   * @returns {CodeLines | null} the lines that can no longer change; null if there are none
   */
  next(lookahead, { isFull, isLast }) {
    const closing = this.#closing.exec(lookahead);
    // a closing fence at the end of the received text may still become a line of code
    const closes = closing !== null && (closing[0].endsWith("\n") || isLast);
    const ends = closes || isLast;
    const length = closes ? closing.index : isLast || isFull ? lookahead.length : this.#certainLength(lookahead);
    if (length === 0 && !ends) return null;
    let text = lookahead.slice(0, length);
    if (this.#indent > 0) text = text.replace(new RegExp(`^ {1,${this.#indent}}`, "gm"), "");
    if (ends && !closes && !text.endsWith("\n")) text += "\n";
    return { text, length: length + (closes ? closing[0].length : 0), ends };
  }

  /**
   * @param {string} text
   * @returns {number} how many characters are certainly code; the last line may become the closing fence
   */
  #certainLength(text) {
    const line = text.lastIndexOf("\n") + 1;
    const isUncertain = this.#indent > 0 || /^ {0,3}(?:`*|~*)[ \t]*$/.test(text.slice(line));
    return isUncertain ? line : text.length;
  }
}
