/**
 * Long runs of characters that may break nowhere by themselves. Chromium takes seconds to lay out some thousands of
 * them, most of all of CJK punctuation, whose spacing it adjusts at each break that it tries. `<wbr>` allows breaks,
 * and is not copied.
 */

const PUNCTUATION = /[\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff00-\uffef]{100}/;
const UNBROKEN = /[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]{400}/u;
const STEP = 50; // characters

/** @param {string} text */
export function hasLongPunctuation(text) {
  return text.length >= 100 && PUNCTUATION.test(text);
}

/** @param {DocumentFragment} fragment */
export function breakLongRuns(fragment) {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const long = [];
  while (walker.nextNode()) {
    const text = /** @type {Text} */ (walker.currentNode);
    if (text.length < 100 || text.parentElement?.closest("pre, .formula, .formula-open")) continue;
    if (PUNCTUATION.test(text.data) || UNBROKEN.test(text.data)) long.push(text);
  }
  for (const text of long) breakText(text);
}

/** @param {Text} text */
function breakText(text) {
  const pieces = text.data.match(new RegExp(`[^]{1,${STEP}}`, "gu")) ?? [];
  text.replaceWith(...pieces.flatMap((piece, index) => (index === 0 ? [piece] : [document.createElement("wbr"), piece])));
}
