/**
 * Limits for the nesting of blocks and of emphasis. markdown-it leaves out blocks nested deeper than its own limit; here
 * they become a paragraph of their source. It has no limit for emphasis, and Chromium takes 100 ms to style 500 elements
 * inside each other.
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateInline} StateInline */

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
  // before texts beside each other are joined
  md.inline.ruler2.after("emphasis", "nesting_limit", limitEmphasis);
  md.renderer.rules["source"] = (tokens, index) => md.utils.escapeHtml(tokens[index]?.content ?? "");
}

/** Shows the delimiters of emphasis below the limit for inline constructs as text. @param {StateInline} state */
function limitEmphasis({ tokens, md }) {
  const limit = md.options.maxNesting ?? Infinity;
  let depth = 0;
  for (const token of tokens) {
    const { nesting } = token;
    if (nesting < 0) depth--;
    if (depth >= limit && /^(?:em|strong|s)_(?:open|close)$/.test(token.type)) {
      Object.assign(token, { type: "text", tag: "", nesting: 0, content: token.markup });
    }
    if (nesting > 0) depth++;
  }
}
