/** Where a long paragraph can be split. */

import { closeUnfinished } from "./unfinished.js";

/** What a paragraph may begin with: a letter, or a formula in a line. Other signs may be a block's marker. */
const BEGINNING = /^(?:\p{L}|\$[^$]|\\\()/u;
const SENTENCE = /[.!?]["'”’)\]]*\s+$|[。！？…][”’）」』]*\s*$/;
const WORD = /[\s，、；：]$/;
const NEAR = 16; // characters before a boundary that decide whether it is one
const MAX_TRIES = 4; // each reads the text before the boundary

/**
 * Returns the last index between two sentences or else two words, outside emphasis and other constructs if there is
 * one near the end.
 *
 * @param {string} text of a paragraph
 * @param {number} least a sentence must end after this index
 * @returns {number} 0 if there is none
 */
export function boundaryBefore(text, least) {
  return lastBoundary(text, SENTENCE, least) || lastBoundary(text, WORD, 0);
}

/**
 * @param {string} text
 * @param {RegExp} pattern of what stands before a boundary
 * @param {number} least
 */
function lastBoundary(text, pattern, least) {
  let any = 0;
  let tries = 0;
  for (let at = text.length - 1; at > least; at--) {
    if (!BEGINNING.test(text.slice(at, at + 2)) || !pattern.test(text.slice(Math.max(0, at - NEAR), at))) continue;
    any ||= at;
    const before = text.slice(0, at);
    if (closeUnfinished(before) === before) return at;
    if (++tries === MAX_TRIES) break;
  }
  return any;
}
