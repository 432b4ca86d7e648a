/** Shows where the words of a search stand in an exchange: scrolls there, and marks them. */

import { isAlone, scroller } from "../browser/page_root.js";
import { elementAround, HitMarks, questionAround } from "./hit_marks.js";
import { keepInView, onReaderAct } from "./kept_place.js";

/** Aborted when the reader goes on, or chooses another one. */
let keeping = new AbortController();
/** @type {HitMarks | null} */
let marks = null;

/** Removes the marks. */
export function clearHit() {
  marks?.clear();
  marks = null;
}

/**
 * @param {HTMLElement} log
 * @param {HTMLElement} exchange in it
 * @param {Pick<import("../storage/search_query.js").SearchHit, "words" | "isInAnswer">} hit
 * @param {object} page
 * @param {(element: Element, block: "start" | "center") => void} page.scrollTo
 * @param {(top: number) => void} page.scrollBy pixels down
 * @param {() => boolean} page.isWanted whether the exchange is still shown
 */
export async function showHit(log, exchange, { words, isInAnswer }, { scrollTo, scrollBy, isWanted }) {
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
  clearHit();
  const found = (marks = new HitMarks(exchange, words));
  for (const { range } of found.quoted) unfold(range);
  await keep(log, () => {
    const place = found.quoted[0]?.range;
    if (place) showPlace(place, scrollTo, scrollBy);
    else showHalf(exchange, isInAnswer, scrollTo);
  });
  kept.abort();
}

/**
 * Scrolls to the half of an exchange where the words are: in nothing that can be marked, or in a question that is edited.
 * @param {HTMLElement} exchange
 * @param {boolean} isInAnswer
 * @param {(element: Element, block: "start" | "center") => void} scrollTo
 */
function showHalf(exchange, isInAnswer, scrollTo) {
  const editor = isInAnswer ? null : exchange.querySelector(".question-editor");
  if (editor) scrollTo(editor, "center");
  else scrollTo(exchange.querySelector(isInAnswer ? ".answer" : ".question") ?? exchange, "start");
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
  if (place.collapsed) return; // its text was replaced, as by a formula
  const view = shownPart();
  if (block.getBoundingClientRect().height > (view.bottom - view.top) / 2) {
    scrollBy(middleOf(place) - (view.top + view.bottom) / 2);
    if (!isAlone) scrollAround(place);
  }
  for (let box = block; box && !box.matches(".exchange"); box = /** @type {Element} */ (box.parentElement)) {
    const { left, right } = place.getBoundingClientRect();
    const around = box.getBoundingClientRect();
    if (left < around.left || right > around.right) box.scrollLeft += (left + right - around.left - around.right) / 2;
  }
}

/** Returns what of the conversation's box is in the window. */
function shownPart() {
  if (isAlone) return { top: 0, bottom: scroller.clientHeight };
  const { top, bottom } = scroller.getBoundingClientRect();
  return { top: Math.max(top, 0), bottom: Math.min(bottom, innerHeight) };
}

/**
 * Scrolls the page around the chat, if its window does not show a place that is at an end of the conversation.
 * @param {Range} place
 */
function scrollAround(place) {
  for (let box = scroller.parentElement; box; box = box.parentElement) {
    const offset = middleOf(place) - innerHeight / 2;
    if (Math.abs(offset) > innerHeight / 4) box.scrollTop += offset;
  }
}

/** @param {Range} place @returns {number} from the top of the window, in pixels */
function middleOf(place) {
  const { top, bottom } = place.getBoundingClientRect();
  return (top + bottom) / 2;
}
