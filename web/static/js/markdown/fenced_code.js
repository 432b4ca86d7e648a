/**
 * A fenced code block whose lines are coming: tells which of them are certain, and where it ends. Pure: text in, text
 * out.
 */

/**
 * @typedef {object} CodeLines
 * @property {string} text what they say
 * @property {number} length of the source that they take
 * @property {boolean} ends the block
 */

const FENCE = /^( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n/;

export class FencedCode {
  #indent;
  #closing;

  /**
   * @param {string} source
   * @returns {FencedCode | null} the block that it begins with, once the fence's line is whole
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
   * @param {string} lookahead on the source behind the fence, or behind the lines before
   * @param {{ isFull: boolean, isLast: boolean }} bounds whether it is as large as one may be, and whether nothing
   *   comes behind it
   * @returns {CodeLines | null} null while no line is certain
   */
  next(lookahead, { isFull, isLast }) {
    const closing = this.#closing.exec(lookahead);
    // at the very end of what has come, what looks like the closing fence may still become a line of code
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
   * @returns {number} how much of it is code for certain: not the last line where that may become the closing fence
   */
  #certainLength(text) {
    const line = text.lastIndexOf("\n") + 1;
    const isUncertain = this.#indent > 0 || /^ {0,3}(?:`*|~*)[ \t]*$/.test(text.slice(line));
    return isUncertain ? line : text.length;
  }
}
