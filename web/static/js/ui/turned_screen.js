/**
 * Keeps the place in a text when a phone is turned. Chromium keeps what is at the top of the window, which here is the
 * bar that never moves, and Safari keeps nothing.
 */

import { scroller } from "../browser/page_root.js";

const NEAR = 48; // pixels: at the end, the page follows that
const TEXT = "p, li, pre, table, h1, h2, h3, h4, h5, h6";

/**
 * Call once, where the document scrolls.
 * @param {HTMLElement} bar covers the top of the window
 * @param {(top: number) => void} scrollBy
 */
export function keepPlace(bar, scrollBy) {
  /** What is read, and how far below the bar it begins; null at the end. @type {{ element: Element, top: number } | null} */
  let place = null;
  let width = innerWidth;
  /** Where the page was put last: it keeps its place then, so that turning back changes nothing. */
  let putTo = -1;
  /** @param {Element} element */
  const belowBar = (element) => element.getBoundingClientRect().top - bar.getBoundingClientRect().bottom;
  const note = () => {
    if (innerWidth !== width || scroller.scrollTop === putTo) return; // the reader has not scrolled
    const isAtEnd = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop <= NEAR;
    const element = isAtEnd ? null : firstBelow(bar);
    place = element && { element, top: belowBar(element) };
  };
  addEventListener("scroll", note, { passive: true });
  addEventListener("resize", () => {
    if (innerWidth !== width && place?.element.isConnected) {
      scrollBy(belowBar(place.element) - place.top);
      putTo = scroller.scrollTop;
    }
    width = innerWidth;
  });
}

/** @param {HTMLElement} bar @returns {Element | null} the first block of text that begins below it */
function firstBelow(bar) {
  const { bottom } = bar.getBoundingClientRect();
  for (let y = bottom + 8; y < innerHeight; y += 16) {
    const block = textAt(y);
    if (block && block.getBoundingClientRect().top >= bottom) return block;
  }
  return textAt(bottom + 8);
}

/** @param {number} y */
function textAt(y) {
  return document.elementFromPoint(innerWidth / 2, y)?.closest(TEXT) ?? null;
}
