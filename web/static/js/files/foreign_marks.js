/**
 * Reads ChatGPT's marks in the text of its messages: `U+E200 kind U+E202 … U+E201`, in older files `【…†…】`.
 *
 * They are not described anywhere; the kinds are those that other readers of its export files know.
 */

import { sourceFrom } from "../api/answer_parts.js";
import { list, text } from "./foreign_values.js";

/**
 * @typedef {object} Unmarked
 * @property {string} text without marks; a link is one in Markdown
 * @property {number} leftOut how many marks stood for what is lost, such as images, maps and products
 */

const ENTITY = /\ue200(?:product_)?entity\ue202?([^\ue201]*)\ue201/g;
const LINK = /\ue200url\ue202([^\ue201\ue202]*)\ue202([^\ue201]*)\ue201/g;
const ANY = "(?:\ue200[^\ue201]*\ue201|【[^】]*†[^】]*】)";
// a space before a mark would stand before the full stop
const REST = new RegExp(` ?${ANY}+(?=[\\s.,;:!?)\\]]|$)|${ANY}`, "g");
/** Kinds that name sources, which the message has apart from its text. */
const OF_SOURCES = new Set(["cite", "filecite", "memcite", "navlist"]);

/**
 * @param {string} marked
 * @param {unknown} references `content_references` of the message
 * @returns {Unmarked}
 */
export function unmarked(marked, references) {
  let leftOut = 0;
  const words = marked
    .replace(ENTITY, (_, entity) => entityName(entity))
    .replace(LINK, (mark, label, target) => linkTo(label, [target, ...addressesOf(mark, references)]))
    .replace(REST, (marks) => {
      leftOut += [...marks.matchAll(/\ue200([a-z_]*)/g)].filter(([, kind]) => !OF_SOURCES.has(kind ?? "")).length;
      return "";
    });
  return { text: words, leftOut };
}

/** @param {string} json of a kind or id, a name that is part of the text, and what it is @returns {string} the name */
function entityName(json) {
  try {
    return text(JSON.parse(json)[1]);
  } catch {
    return ""; // another form
  }
}

/**
 * @param {string} label
 * @param {unknown[]} addresses of which the first on the web counts
 */
function linkTo(label, addresses) {
  const url = addresses.map((each) => sourceFrom({ url: each })?.url).find(Boolean);
  return url ? `[${label.replace(/[\\[\]]/g, "\\$&")}](<${url}>)` : label;
}

/** @param {string} mark @param {unknown} references @returns {unknown[]} where what the mark names is to be found */
function addressesOf(mark, references) {
  const reference = list(references).find((/** @type {any} */ each) => each?.matched_text === mark);
  const { url, items } = /** @type {any} */ (reference ?? {});
  return [url, ...list(items).map((/** @type {any} */ each) => each?.url)];
}
