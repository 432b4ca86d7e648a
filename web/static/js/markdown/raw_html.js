/**
 * Raw HTML inside Markdown. A few tags that models like pass, bare; anything else is shown as the text that it is.
 *
 * The sanitiser would remove the rest as well. But it must parse it first, and the browser reports each event
 * handler and style attribute that it meets there as a violation of the Content-Security-Policy.
 */

const OPENING = /<(?!br|hr)[a-z]+[ \t]*>/gi;
const CLOSING = /<\/[a-z]+[ \t]*>/gi;
const OTHER_TAG = /<(?!\/?(?:br|hr|b|strong|i|em|u|s|del|ins|mark|small|sub|sup|kbd|samp|code|details|summary)[ \t]*\/?>)/gi;

/** What passes may hold many blocks, such as `<details>`. @param {string} html @returns {number} how many it leaves open */
export function countOpenTags(html) {
  const passed = html.replace(OTHER_TAG, "");
  return (passed.match(OPENING)?.length ?? 0) - (passed.match(CLOSING)?.length ?? 0);
}

/** For marked's `use`. @type {import("marked").RendererObject} */
export const rawHtml = {
  html: ({ text }) => text.replace(OTHER_TAG, "&lt;"),
  // marked leaves text between raw <script> or <pre> tags as it is; here those tags are text themselves
  text: (token) => ("escaped" in token && token.escaped ? token.text.replace(/</g, "&lt;") : false),
};
