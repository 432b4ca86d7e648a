/**
 * Raw HTML inside Markdown. A few tags that models often write are allowed, without attributes but `<details open>`. All
 * other HTML is shown as text, and so is an allowed tag that nothing closes.
 *
 * The sanitiser would remove other tags too, but it parses them first. The browser then reports each event handler and
 * style attribute as a violation of the Content-Security-Policy.
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").Token} Token */

const INLINE = "b|strong|i|em|u|s|del|ins|mark|small|sub|sup|kbd|samp|code";
const OPEN = '(?:(?<=<details)[ \\t]+open(?:="(?:open)?")?)?';
const OTHER_TAG = new RegExp(`<(?!/?(?:br|hr|${INLINE}|details|summary)${OPEN}[ \\t]*/?>)`, "gi");
/** An allowed inline tag that needs an end. */
export const INLINE_TAG = new RegExp(`^<(/?)(${INLINE})[ \\t]*>$`, "i");
const TAG = /^<(\/?)([a-z]+)[ \t]*(\/?)>$/i;

/** Tags inside so many others are text: styling deeply nested elements is slow. */
export const MAX_OPEN_TAGS = 20;
const PAIRED = new RegExp(`<(/?)(${INLINE}|details|summary)${OPEN}[ \\t]*>`, "gi");

/**
 * Counts the sections such as `<details>` that are open after a text.
 *
 * @param {string} html
 * @param {number} depth how many are open before it
 */
export function depthAfter(html, depth) {
  for (const [, slash, name = ""] of html.matchAll(PAIRED)) {
    if (/^(?:details|summary)$/i.test(name)) depth = slash ? Math.max(0, depth - 1) : depth + 1;
  }
  return depth;
}

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function rawHtml(md) {
  md.renderer.rules["html_inline"] = (tokens, index) => (tokens[index]?.content ?? "").replace(OTHER_TAG, "&lt;");
  // the empty paragraph separates the text of two blocks
  md.renderer.rules["html_block"] = (tokens, index) =>
    `${withoutOpenTags(tokens[index]?.content ?? "").replace(OTHER_TAG, "&lt;")}<p class="source"></p>`;
}

/**
 * Turns inline tags that nothing closes in a block into text. Sections may end in a later block.
 * @param {string} html
 */
function withoutOpenTags(html) {
  /** @type {{ name: string, at: number }[]} */
  const open = [];
  /** @type {number[]} */
  const unpaired = [];
  for (const { 1: slash, 2: tag = "", index } of html.matchAll(PAIRED)) {
    const name = tag.toLowerCase();
    if (name === "details" || name === "summary") continue;
    const opener = slash ? open.findLastIndex((other) => other.name === name) : -1;
    if (!slash && open.length < MAX_OPEN_TAGS) open.push({ name, at: index });
    else if (!slash) unpaired.push(index);
    else if (opener < 0) unpaired.push(index);
    else unpaired.push(...open.splice(opener).slice(1).map(({ at }) => at));
  }
  unpaired.push(...open.map(({ at }) => at));
  let from = 0;
  let text = "";
  for (const at of unpaired.sort((one, other) => one - other)) {
    text += `${html.slice(from, at)}&lt;`;
    from = at + 1;
  }
  return text + html.slice(from);
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
      if (open.length < MAX_OPEN_TAGS) open.push({ name: name.toLowerCase(), token });
      continue;
    }
    const opener = open.findLastIndex((tag) => tag.name === name.toLowerCase());
    if (opener < 0) continue;
    /** @type {{ token: Token }} */ (open[opener]).token.type = "html_inline";
    token.type = "html_inline";
    open.length = opener;
  }
}
