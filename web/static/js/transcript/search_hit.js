/** Shows where the words of a search stand in an exchange: scrolls there, and marks them. */

const NAME = "sluice-hit"; // as in the style sheet
const WAIT_MS = 5000; // a long conversation is rendered from its end on

/** Removes the marks. */
export function clearHit() {
  if ("highlights" in CSS) CSS.highlights.delete(NAME);
}

/**
 * @param {HTMLElement} log
 * @param {HTMLElement} exchange in it
 * @param {string[]} words lower-case
 * @param {() => boolean} isWanted whether the reader has not gone on meanwhile
 */
export async function showHit(log, exchange, words, isWanted) {
  exchange.scrollIntoView({ block: "start", behavior: "instant" }); // at once; then, when all has its height, exactly
  const end = performance.now() + WAIT_MS;
  while (log.querySelector(".prose.plain, .prose[aria-busy=true]") && performance.now() < end) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    if (!isWanted()) return;
  }
  const ranges = rangesOf(exchange, words);
  clearHit();
  // a browser without the API shows the place unmarked
  if ("highlights" in CSS && ranges.length > 0) CSS.highlights.set(NAME, new Highlight(...ranges));
  const place = ranges[0]?.startContainer.parentElement ?? exchange;
  place.scrollIntoView({ block: "center", behavior: "instant" });
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
