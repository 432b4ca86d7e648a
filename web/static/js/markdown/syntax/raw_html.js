/**
 * Raw HTML inside Markdown. A few tags that models often write are allowed, without attributes. All other HTML is shown
 * as text, and so is an allowed tag that nothing closes.
 *
 * The sanitiser would remove other tags too, but it parses them first. The browser then reports each event handler and
 * style attribute as a violation of the Content-Security-Policy.
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").Token} Token */

const OPENING = /<(?!br|hr)[a-z]+[ \t]*>/gi;
const CLOSING = /<\/[a-z]+[ \t]*>/gi;
const INLINE = "b|strong|i|em|u|s|del|ins|mark|small|sub|sup|kbd|samp|code";
const OTHER_TAG = new RegExp(`<(?!/?(?:br|hr|${INLINE}|details|summary)[ \\t]*/?>)`, "gi");
/** An allowed inline tag that needs an end. */
export const INLINE_TAG = new RegExp(`^<(/?)(${INLINE})[ \\t]*>$`, "i");
const TAG = /^<(\/?)([a-z]+)[ \t]*(\/?)>$/i;

/** Counts the allowed tags that a text leaves open, such as `<details>`. @param {string} html @returns {number} */
export function countOpenTags(html) {
  const passed = html.replace(OTHER_TAG, "");
  return (passed.match(OPENING)?.length ?? 0) - (passed.match(CLOSING)?.length ?? 0);
}

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function rawHtml(md) {
  md.renderer.rules["html_block"] = md.renderer.rules["html_inline"] = (tokens, index) =>
    (tokens[index]?.content ?? "").replace(OTHER_TAG, "&lt;");
}

/**
 * Turns tags that are not allowed, or that nothing closes, into text: "the <s> tag" strikes nothing out.
 * @param {Token[]} tokens of inline content
 */
export function closeRawTags(tokens) {
  /** @type {{ name: string, token: Token }[]} */
  const open = [];
  for (const token of tokens) {
    if (token.type !== "html_inline") continue;
    const [, slash, name = "", empty] = TAG.exec(token.content.replace(OTHER_TAG, "")) ?? [];
    if (/^(?:br|hr)$/i.test(name)) continue;
    token.type = "text";
    if (!name || empty) continue;
    if (!slash) {
      open.push({ name: name.toLowerCase(), token });
      continue;
    }
    const opener = open.findLastIndex((tag) => tag.name === name.toLowerCase());
    if (opener < 0) continue;
    /** @type {{ token: Token }} */ (open[opener]).token.type = "html_inline";
    token.type = "html_inline";
    open.length = opener;
  }
}
