/**
 * Long runs of CJK punctuation. They may break nowhere by themselves, and Chromium then takes seconds to lay out a
 * thousand of them, because it adjusts their spacing at each break that it tries. `<wbr>` allows breaks.
 */

const RUN = /[\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff00-\uffef]{100,}/;
const STEP = 50; // characters

/** @param {DocumentFragment} fragment */
export function breakLongRuns(fragment) {
  if (!RUN.test(fragment.textContent ?? "")) return;
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const text of texts) if (!text.parentElement?.closest("pre") && RUN.test(text.data)) breakText(text);
}

/** @param {Text} text */
function breakText(text) {
  const pieces = text.data.match(new RegExp(`[^]{1,${STEP}}`, "gu")) ?? [];
  text.replaceWith(...pieces.flatMap((piece) => [piece, document.createElement("wbr")]));
}
