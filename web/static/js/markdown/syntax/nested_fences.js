/**
 * A fence of Markdown around other fences. By CommonMark's rules the first closing fence inside ends it, unless the
 * outer one is longer. Models forget that: "```markdown", then "```python", "```", and at last "```".
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateBlock} StateBlock */

const FENCE = /^(`{3,}|~{3,})[ \t]*([^\n]*)$/;
const MARKDOWN = /^(?:markdown|md|mdx)\b/i;

export class FenceNesting {
  #marker;
  #nests;
  #depth = 0;

  /**
   * @param {string} marker of the outer fence
   * @param {string} info what follows it
   */
  constructor(marker, info) {
    this.#marker = marker;
    this.#nests = MARKDOWN.test(info.trim());
  }

  /**
   * Returns whether a line closes the outer fence. Call it for each line inside, in order.
   * @param {string} line without indentation, and without its line end
   */
  closes(line) {
    if (line.charAt(0) !== this.#marker.charAt(0)) return false;
    const [, marker = "", info = ""] = FENCE.exec(line.trimEnd()) ?? [];
    if (!marker.startsWith(this.#marker)) return false;
    if (info !== "") {
      if (this.#nests && !info.includes("`")) this.#depth++;
      return false;
    }
    return this.#depth-- === 0;
  }
}

/** For markdown-it's `use`: replaces its rule for fences of Markdown. @param {MarkdownIt} md */
export function nestedFences(md) {
  md.block.ruler.before("fence", "nested_fence", rule, { alt: ["paragraph", "reference", "blockquote", "list"] });
}

/**
 * @param {StateBlock} state
 * @param {number} startLine
 * @param {number} endLine
 * @param {boolean} silent
 */
function rule(state, startLine, endLine, silent) {
  const indent = /** @type {number} */ (state.sCount[startLine]);
  const [, marker = "", info = ""] = FENCE.exec(textOf(state, startLine)) ?? [];
  if (indent - state.blkIndent >= 4 || !marker || !MARKDOWN.test(info) || info.includes("`")) return false;
  if (silent) return true;
  const nesting = new FenceNesting(marker, info);
  let line = startLine + 1;
  let isClosed = false;
  for (; line < endLine && !isClosed; line++) {
    const isOutside = !state.isEmpty(line) && /** @type {number} */ (state.sCount[line]) < state.blkIndent;
    if (isOutside) break;
    isClosed = /** @type {number} */ (state.sCount[line]) - state.blkIndent < 4 && nesting.closes(textOf(state, line));
  }
  const token = state.push("fence", "code", 0);
  token.info = info;
  token.markup = marker;
  token.map = [startLine, line];
  token.content = state.getLines(startLine + 1, isClosed ? line - 1 : line, indent, true);
  state.line = line;
  return true;
}

/**
 * @param {StateBlock} state
 * @param {number} line
 */
function textOf(state, line) {
  const start = /** @type {number} */ (state.bMarks[line]) + /** @type {number} */ (state.tShift[line]);
  return state.src.slice(start, state.eMarks[line]);
}
