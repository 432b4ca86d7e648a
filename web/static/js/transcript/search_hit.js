/** Shows where the words of a search stand in an exchange: scrolls there, and marks them. */

import { keepInView, onReaderAct } from "./kept_place.js";

const NAME = "sluice-hit"; // as in the style sheet

/** Aborted when the reader goes on, or chooses another one. */
let keeping = new AbortController();

/** Removes the marks. */
export function clearHit() {
  if ("highlights" in CSS) CSS.highlights.delete(NAME);
}

/**
 * @param {HTMLElement} log
 * @param {HTMLElement} exchange in it
 * @param {string[]} words lower-case
 * @param {object} page
 * @param {(element: Element, block: "start" | "center") => void} page.scrollTo
 * @param {() => boolean} page.isWanted whether the exchange is still shown
 */
export async function showHit(log, exchange, words, { scrollTo, isWanted }) {
  keeping.abort();
  const kept = (keeping = new AbortController());
  onReaderAct(() => kept.abort(), kept.signal);
  /** @param {HTMLElement} part @param {Element} element @param {"start" | "center"} block */
  const keep = (part, element, block) => keepInView(part, () => {
    if (!kept.signal.aborted) scrollTo(element, block);
    return keeping === kept && isWanted();
  });
  if (!(await keep(exchange, exchange, "start"))) return; // it is drawn next
  const ranges = rangesOf(exchange, words);
  clearHit();
  // a browser without the API shows the place unmarked
  if ("highlights" in CSS && ranges.length > 0) CSS.highlights.set(NAME, new Highlight(...ranges));
  const place = ranges[0]?.startContainer.parentElement ?? exchange;
  await keep(log, place, "center");
  kept.abort();
}

/**
 * @param {HTMLElement} exchange
 * @param {string[]} words
 */
function rangesOf(exchange, words) {
  const walker = document.createTreeWalker(exchange, NodeFilter.SHOW_TEXT);
  const ranges = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement?.closest(".question, .prose") || node.parentElement.closest("button")) continue;
    const text = node.textContent ?? "";
    const lower = text.toLocaleLowerCase();
    if (lower.length !== text.length) continue; // a few letters become two: the places would differ
    for (const word of words) {
      for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        ranges.push(range);
      }
    }
  }
  return ranges.sort((one, other) => one.compareBoundaryPoints(Range.START_TO_START, other));
}
