/** What is to be in view. All scrolling goes through the reading position, which must know of it at once. */

import { root } from "../browser/page_root.js";

const WANTED = "wantedinview";
const GROWN = "drawnlate";

/** Scrolls a part of the conversation, or of a dialog, into view, as far as needed. @param {Element} element */
export function bringIntoView(element) {
  element.dispatchEvent(new Event(WANTED, { bubbles: true }));
}

/** @param {(element: Element) => void} show scrolls to an element */
export function onWantedInView(show) {
  root.addEventListener(WANTED, ({ target }) => show(/** @type {Element} */ (target)));
}

/** Tells that something was drawn later than the rest, so that the end may be out of view. */
export function reportGrowth() {
  root.dispatchEvent(new Event(GROWN));
}

/** @param {() => void} act called when something was drawn later than the rest */
export function onGrowth(act) {
  root.addEventListener(GROWN, act);
}
