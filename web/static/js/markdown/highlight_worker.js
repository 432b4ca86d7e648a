/** Highlights code in a worker, because a long block takes longer than a frame. The page's side is highlighter.js. */

import { loadHighlightJs } from "../browser/libraries.js";

/**
 * @typedef {boolean} Ready the first message to the page: whether the worker can highlight from now on
 * @typedef {{ id: number, language: string, boxes: string[] }} Request the text of each box of the code
 * @typedef {{ name: string, boxes: (string | null)[], durationMs: number }} Reply the
 *   HTML of each box: null if unchanged since the last reply to this id, no boxes if the language is unknown
 */

const highlightJs = loadHighlightJs();
/** @type {{ id: number, boxes: string[] }} the last reply */
let previous = { id: 0, boxes: [] };

void highlightJs.then((library) => {
  if (library) addEventListener("message", ({ data }) => postMessage(reply(data, library)));
  postMessage(library !== null);
});

/**
 * @param {Request} request
 * @param {import("../browser/libraries.js").HighlightJs} library
 * @returns {Reply}
 */
function reply({ id, language, boxes }, library) {
  const grammar = library.getLanguage(language);
  if (!grammar) return { name: language, boxes: [], durationMs: 0 };
  const startedAt = performance.now();
  const html = library.highlight(boxes.join(""), { language, ignoreIllegals: true }).value;
  const highlighted = splitHtml(html, boxes);
  const known = previous.id === id ? previous.boxes : [];
  previous = { id, boxes: highlighted };
  return {
    name: grammar.name ?? language,
    boxes: highlighted.map((box, at) => (box === known[at] ? null : box)),
    durationMs: performance.now() - startedAt,
  };
}

/**
 * @param {string} html escaped text and `<span>` tags, nothing else
 * @param {string[]} boxes the plain text of each piece
 * @returns {string[]} the HTML of each piece, with every span closed in it
 */
function splitHtml(html, boxes) {
  /** @type {string[]} */
  const pieces = [];
  /** @type {string[]} */
  const open = [];
  let piece = "";
  let remaining = boxes[0]?.length ?? 0;
  for (const [part] of html.matchAll(/<span[^>]*>|<\/span>|&[^;]+;|[^<&]+/g)) {
    if (part === "</span>") {
      open.pop();
      piece += part;
    } else if (part.startsWith("<")) {
      open.push(part);
      piece += part;
    } else {
      let text = part;
      const isEntity = part.startsWith("&");
      while (text !== "") {
        if (remaining === 0 && pieces.length < boxes.length - 1) {
          pieces.push(piece + "</span>".repeat(open.length));
          piece = open.join("");
          remaining = boxes[pieces.length]?.length ?? 0;
        }
        const taken = isEntity ? text : text.slice(0, Math.max(1, remaining));
        piece += taken;
        remaining -= isEntity ? 1 : taken.length;
        text = text.slice(taken.length);
      }
    }
  }
  return [...pieces, piece];
}
