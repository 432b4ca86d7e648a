/**
 * A limit for the nesting of blocks. markdown-it leaves out what is nested deeper than its own limit; here it becomes a
 * paragraph of its source.
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */

const MAX_LEVEL = 24; // a quotation is one level, a list two

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function nestingLimit(md) {
  md.block.ruler.before("table", "nesting_limit", (state, startLine, endLine, silent) => {
    if (silent || state.level < MAX_LEVEL) return false;
    let end = startLine + 1;
    while (end < endLine && !state.isEmpty(end) && /** @type {number} */ (state.sCount[end]) >= state.blkIndent) end++;
    const open = state.push("paragraph_open", "p", 1);
    open.map = [startLine, end];
    state.push("source", "", 0).content = state.getLines(startLine, end, state.blkIndent, false);
    state.push("paragraph_close", "p", -1);
    state.line = end;
    return true;
  });
  md.renderer.rules["source"] = (tokens, index) => md.utils.escapeHtml(tokens[index]?.content ?? "");
}
