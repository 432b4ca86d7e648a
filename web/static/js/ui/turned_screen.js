/**
 * Keeps the place in a text when its width or the size of its letters changes, as when a phone is turned. Chromium keeps
 * what is at the top of the window, which here is the bar that never moves; Firefox does so for widths, and Safari never.
 */

import { distanceToEnd, frame, NEAR_END, scroller, scrollTarget } from "../browser/page_root.js";

const TEXT = ".prose, .question, .reasoning";
const STEP = 16; // pixels, less than a line

/** A letter that is read, its block, and how far below the bar they begin. @typedef {{ letter: Range, block: Element, top: number, blockTop: number }} Place */

/**
 * Call once.
 * @param {HTMLElement} bar covers the top of the window, or is above what scrolls
 * @param {(top: number) => void} scrollBy
 */
export function keepPlace(bar, scrollBy) {
  /** What is read; null at the end. @type {Place | null} */
  let place = null;
  const measure = () => `${bar.clientWidth} ${frame.dataset.textSize}`; // with either, the bar has another size
  let measured = measure();
  /** Where the page was put last: it keeps its place then, so that turning back changes nothing. */
  let putTo = -1;
  /** @param {Element | Range} part */
  const belowBar = (part) => part.getBoundingClientRect().top - bar.getBoundingClientRect().bottom;
  const note = () => {
    if (measure() !== measured || scroller.scrollTop === putTo) return; // the reader has not scrolled
    const isAtEnd = distanceToEnd() <= NEAR_END; // the page follows that
    const letter = isAtEnd ? null : firstLetter(bar);
    const block = letter?.startContainer.parentElement;
    place = letter && block ? { letter, block, top: belowBar(letter), blockTop: belowBar(block) } : null;
  };
  scrollTarget.addEventListener("scroll", note, { passive: true });
  // The event "resize" comes before the browser moves the page itself.
  new ResizeObserver(() => {
    if (measure() !== measured && place?.block.isConnected) {
      // what grows or is highlighted is rendered again, and its letters are gone
      scrollBy(isShown(place.letter) ? belowBar(place.letter) - place.top : belowBar(place.block) - place.blockTop);
      putTo = scroller.scrollTop;
    }
    measured = measure();
  }).observe(bar);
}

/** @param {Range} letter */
function isShown(letter) {
  return !letter.collapsed && letter.getClientRects().length > 0;
}

/**
 * A letter and no element: code, tables and list items may be longer than the window. It stays the same when lines wrap.
 * @param {HTMLElement} bar
 * @returns {Range | null} a letter of the first line below it
 */
function firstLetter(bar) {
  const { left, right, bottom } = bar.getBoundingClientRect();
  const x = (left + right) / 2;
  for (let y = Math.max(bottom, 0) + 8; y < innerHeight; y += STEP) {
    const letter = letterAt(x, y);
    if (letter) return letter;
  }
  return null;
}

/**
 * @param {number} x
 * @param {number} y
 * @returns {Range | null} the letter there, or the last one before it in its line
 */
function letterAt(x, y) {
  const [node, offset] = caretAt(x, y);
  if (!(node instanceof Text) || !scroller.contains(node) || !node.parentElement?.closest(TEXT)) return null;
  if (node.parentElement.closest("figcaption")) return null; // it stays below the bar while its code moves
  const letter = document.createRange();
  letter.setStart(node, Math.max(0, Math.min(offset, node.length - 1)));
  letter.setEnd(node, Math.min(node.length, letter.startOffset + 1));
  return isShown(letter) ? letter : null;
}

/**
 * @param {number} x
 * @param {number} y
 * @returns {[Node | null, number]}
 */
function caretAt(x, y) {
  if ("caretPositionFromPoint" in document) {
    const caret = document.caretPositionFromPoint(x, y);
    return [caret?.offsetNode ?? null, caret?.offset ?? 0];
  }
  const range = /** @type {any} */ (document).caretRangeFromPoint?.(x, y); // Safari before 18.4
  return [range?.startContainer ?? null, range?.startOffset ?? 0];
}
