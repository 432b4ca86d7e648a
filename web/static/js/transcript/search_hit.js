/** Shows where the words of a search stand in an exchange: scrolls there, and marks them. */

import { onReaderAct } from "./reader_acts.js";
import { UNRENDERED } from "./visited_places.js";

const NAME = "sluice-hit"; // as in the style sheet
const WAIT_MS = 5000; // for the next answer to be rendered; what has failed stays plain

/** Aborted when the reader goes on, or chooses another one. */
let keeping = new AbortController();

/** Removes the marks. */
export function clearHit() {
  if ("highlights" in CSS) CSS.highlights.delete(NAME);
}

/**
 * A long conversation is rendered while this is shown, above and below it: it stays in view until all has its height, or
 * the reader goes on.
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
  scrollTo(exchange, "start"); // at once; then, when it is rendered, exactly
  for await (const _ of framesUntilRendered(exchange)) {
    if (keeping !== kept || !isWanted()) return;
    if (!kept.signal.aborted) scrollTo(exchange, "start");
  }
  const ranges = rangesOf(exchange, words);
  clearHit();
  // a browser without the API shows the place unmarked
  if ("highlights" in CSS && ranges.length > 0) CSS.highlights.set(NAME, new Highlight(...ranges));
  const place = ranges[0]?.startContainer.parentElement ?? exchange;
  scrollTo(place, "center");
  for await (const _ of framesUntilRendered(log)) {
    if (kept.signal.aborted || !isWanted()) break;
    scrollTo(place, "center");
  }
  kept.abort();
}

/** @param {HTMLElement} part of the page: yields in each frame until all of its answers are rendered */
async function* framesUntilRendered(part) {
  let least = Infinity;
  let end = 0;
  for (;;) {
    const { length } = part.querySelectorAll(UNRENDERED);
    if (length < least) end = performance.now() + WAIT_MS;
    least = Math.min(length, least);
    if (length === 0 || performance.now() > end) return;
    await new Promise((resolve) => requestAnimationFrame(resolve));
    yield;
  }
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
