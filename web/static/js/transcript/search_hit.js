/** Shows where the words of a search stand in an exchange: scrolls there, and marks them. */

import { isAlone, scroller } from "../browser/page_root.js";
import { keepInView, onReaderAct } from "./kept_place.js";

const NAME = "sluice-hit"; // as in the style sheet

/** Aborted when the reader goes on, or chooses another one. */
let keeping = new AbortController();

/** Removes the marks. */
export function clearHit() {
  if ("highlights" in CSS) CSS.highlights.delete(NAME);
}

/** @typedef {{ word: string, range: Range }} Mark */

/**
 * @param {HTMLElement} log
 * @param {HTMLElement} exchange in it
 * @param {string[]} words lower-case
 * @param {object} page
 * @param {(element: Element, block: "start" | "center") => void} page.scrollTo
 * @param {(top: number) => void} page.scrollBy pixels down
 * @param {() => boolean} page.isWanted whether the exchange is still shown
 */
export async function showHit(log, exchange, words, { scrollTo, scrollBy, isWanted }) {
  keeping.abort();
  const kept = (keeping = new AbortController());
  onReaderAct(() => kept.abort(), kept.signal);
  /** @param {HTMLElement} part @param {() => void} show */
  const keep = (part, show) => keepInView(part, () => {
    const isKept = keeping === kept && isWanted();
    if (isKept && !kept.signal.aborted) show();
    return isKept;
  });
  if (!(await keep(exchange, () => scrollTo(exchange, "start")))) return; // it is drawn next
  const marks = marksIn(exchange, words);
  clearHit();
  // a browser without the API shows the place unmarked
  if ("highlights" in CSS && marks.length > 0) CSS.highlights.set(NAME, new Highlight(...marks.map(({ range }) => range)));
  const quoted = quotedOf(marks, words);
  for (const { range } of quoted) unfold(range);
  const place = quoted[0]?.range;
  const other = exchange.querySelector(".question-editor") ?? exchange;
  await keep(log, () => (place ? showPlace(place, scrollTo, scrollBy) : scrollTo(other, "center")));
  kept.abort();
}

/**
 * @param {HTMLElement} exchange
 * @param {string[]} words
 * @returns {Mark[]} in the order of the text, where the search has looked
 */
function marksIn(exchange, words) {
  const walker = document.createTreeWalker(exchange, NodeFilter.SHOW_TEXT);
  const marks = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent?.closest(".question:not([hidden]), .prose") || parent.closest("button, .reasoning")) continue;
    const text = node.textContent ?? "";
    const lower = text.toLocaleLowerCase();
    if (lower.length !== text.length) continue; // a few letters become two: the places would differ
    for (const word of words) {
      for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        marks.push({ word, range });
      }
    }
  }
  return marks.sort((one, other) => one.range.compareBoundaryPoints(Range.START_TO_START, other.range));
}

/**
 * @param {Mark[]} marks
 * @param {string[]} words
 * @returns {Mark[]} the first of each word: of the answer if it has all words, because then the list quotes the answer
 */
function quotedOf(marks, words) {
  const firstOf = (/** @type {Mark[]} */ among) => among.filter((mark) => among.find(({ word }) => word === mark.word) === mark);
  const ofAnswer = firstOf(marks.filter(({ range }) => !questionAround(range)));
  return ofAnswer.length === new Set(words).size ? ofAnswer : firstOf(marks);
}

/** Opens what hides a place: a long question, and the sections of an answer. @param {Range} place */
function unfold(place) {
  const text = elementAround(place);
  for (let section = text.closest("details"); section; section = section.parentElement?.closest("details") ?? null) {
    if (text.closest("summary")?.parentElement !== section) section.open = true;
  }
  const part = text.closest(".part");
  for (const each of [part?.previousElementSibling, part]) {
    if (each instanceof HTMLElement) each.style.contentVisibility = "visible"; // before, the browser guesses its height
  }
  const question = questionAround(place);
  const shown = question?.querySelector("p")?.getBoundingClientRect();
  if (!shown || place.getBoundingClientRect().bottom <= shown.bottom) return;
  /** @type {HTMLElement | null | undefined} */ (question?.querySelector(".fold[aria-expanded=false]"))?.click();
}

/**
 * Scrolls to a place, also in a block that is longer than the window, and in one that scrolls by itself.
 * @param {Range} place
 * @param {(element: Element, block: "center") => void} scrollTo
 * @param {(top: number) => void} scrollBy
 */
function showPlace(place, scrollTo, scrollBy) {
  const block = questionAround(place) ?? elementAround(place); // of a folded question, the text must not scroll
  scrollTo(block, "center");
  if (place.collapsed) return; // the colours of code have replaced its text
  const { clientHeight } = scroller;
  if (block.getBoundingClientRect().height > clientHeight / 2) {
    const { top, bottom } = place.getBoundingClientRect();
    const above = isAlone ? 0 : scroller.getBoundingClientRect().top;
    scrollBy((top + bottom - clientHeight) / 2 - above);
  }
  for (let box = block; box && !box.matches(".exchange"); box = /** @type {Element} */ (box.parentElement)) {
    const { left, right } = place.getBoundingClientRect();
    const around = box.getBoundingClientRect();
    if (left < around.left || right > around.right) box.scrollLeft += (left + right - around.left - around.right) / 2;
  }
}

/** @param {Range} place */
function questionAround(place) {
  return elementAround(place).closest(".question");
}

/** @param {Range} place */
function elementAround(place) {
  const { startContainer } = place;
  return /** @type {HTMLElement} */ (startContainer instanceof HTMLElement ? startContainer : startContainer.parentElement);
}
