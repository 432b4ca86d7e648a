/**
 * Raw HTML inside Markdown. A few tags that models often write are allowed, without attributes. All other HTML is shown
 * as text.
 *
 * The sanitiser would remove other tags too, but it parses them first. The browser then reports each event handler and
 * style attribute as a violation of the Content-Security-Policy.
 */

const OPENING = /<(?!br|hr)[a-z]+[ \t]*>/gi;
const CLOSING = /<\/[a-z]+[ \t]*>/gi;
const OTHER_TAG = /<(?!\/?(?:br|hr|b|strong|i|em|u|s|del|ins|mark|small|sub|sup|kbd|samp|code|details|summary)[ \t]*\/?>)/gi;

/** Counts the allowed tags that a text leaves open, such as `<details>`. @param {string} html @returns {number} */
export function countOpenTags(html) {
  const passed = html.replace(OTHER_TAG, "");
  return (passed.match(OPENING)?.length ?? 0) - (passed.match(CLOSING)?.length ?? 0);
}

/** For marked's `use`. @type {import("marked").RendererObject} */
export const rawHtml = {
  html: ({ text }) => text.replace(OTHER_TAG, "&lt;"),
  // marked does not escape text between raw <script> or <pre> tags; here those tags are shown as text
  text: (token) => ("escaped" in token && token.escaped ? token.text.replace(/</g, "&lt;") : false),
};
