/** Scrolling to what the reader has chosen. All of it goes through the reading position, which must know of it at once. */

import { root } from "../browser/page_root.js";

const WANTED = "wantedinview";

/** Scrolls a part of the conversation, or of a dialog, into view, as far as needed. @param {Element} element */
export function bringIntoView(element) {
  element.dispatchEvent(new Event(WANTED, { bubbles: true }));
}

/** @param {(element: Element) => void} show scrolls to an element */
export function onWantedInView(show) {
  root.addEventListener(WANTED, ({ target }) => show(/** @type {Element} */ (target)));
}
