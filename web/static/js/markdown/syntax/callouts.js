/** Callouts: quotations that begin with `[!NOTE]`, as GitHub and Obsidian write them. */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").Token} Token */

const OPENING = /^\[!([A-Za-z][\w-]{0,30})\][+-]?(?:[ \t]+([^\n]*))?(?:\n|$)/;
/** @type {Record<string, string>} other names of the five kinds */
const KINDS = {
  note: "note",
  info: "note",
  abstract: "note",
  summary: "note",
  todo: "note",
  tip: "tip",
  hint: "tip",
  success: "tip",
  important: "important",
  question: "important",
  warning: "warning",
  attention: "warning",
  caution: "caution",
  danger: "caution",
  error: "caution",
  failure: "caution",
  bug: "caution",
};

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function callouts(md) {
  md.renderer.rules["callout_title"] = (tokens, index) => {
    const { content = "", info = "" } = tokens[index] ?? {};
    // `markCallouts` of ../markdown.js writes the name of the kind
    return `<p class="callout-title">${content ? md.utils.escapeHtml(content) : info}</p>\n`;
  };
}

/**
 * Turns the quotations that are callouts into callouts.
 * @param {Token[]} tokens of blocks, before their inline content is parsed
 */
export function findCallouts(tokens) {
  for (let index = tokens.length - 3; index >= 0; index--) {
    const [quotation, paragraph, inline] = [tokens[index], tokens[index + 1], tokens[index + 2]];
    if (quotation?.type !== "blockquote_open" || paragraph?.type !== "paragraph_open" || !inline) continue;
    const [opening, name = "", title = ""] = OPENING.exec(inline.content) ?? [];
    if (opening === undefined) continue;
    const kind = KINDS[name.toLowerCase()];
    quotation.attrSet("class", `callout callout-${kind ?? "note"}`);
    const heading = new (/** @type {any} */ (quotation).constructor)("callout_title", "p", 0);
    heading.content = title.trim() || (kind === name.toLowerCase() ? "" : name);
    heading.info = kind ?? "";
    heading.block = true;
    inline.content = inline.content.slice(opening.length);
    tokens.splice(index + 1, inline.content.trim() ? 0 : 3, heading);
  }
}
