/** Returns to where the reader was in a conversation when Back or Forward opens it again. Until the page is left. */

import { distanceToEnd, NEAR_END, scrollTarget } from "../browser/page_root.js";

/** Of answers that are being written, only what is below the place grows. */
const UNRENDERED = ".answer:not(.running) .prose:is(.plain, [aria-busy=true])";
const WAIT_MS = 5000; // a long conversation is rendered from its end on

/** The exchange at the top of the window, and where it begins, in pixels from there. @typedef {{ index: number, top: number }} Place */

/**
 * Call once.
 * @param {HTMLElement} log
 * @param {(top: number) => void} scrollBy
 */
export function returnToPlaces(log, scrollBy) {
  /** By the entry of the browser's history. @type {Map<string, Place>} */
  const places = new Map();
  /** The return that is under way: the page's own scrolling until then is no place. @type {object | null} */
  let returning = null;
  const note = () => {
    if (returning) return;
    const place = placeIn(log);
    if (place) places.set(entry(), place);
    else places.delete(entry());
  };
  const cancel = () => {
    returning = null;
  };
  note();
  scrollTarget.addEventListener("scroll", note, { passive: true });
  for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(type, cancel, { capture: true, passive: true });
  addEventListener("popstate", async () => {
    cancel();
    const place = places.get(entry());
    if (!place) return;
    const own = (returning = {});
    await rendered(log, () => own === returning);
    if (own !== returning) return;
    const exchange = log.querySelectorAll(".exchange")[place.index];
    if (exchange) scrollBy(exchange.getBoundingClientRect().top - place.top);
    cancel();
  });
}

/** @returns {string} what names the entry; the same conversation may have several */
function entry() {
  return /** @type {any} */ (window).navigation?.currentEntry?.key ?? location.hash;
}

/** @param {HTMLElement} log @returns {Place | null} null at the end */
function placeIn(log) {
  if (distanceToEnd() <= NEAR_END) return null; // the page stays there
  const exchanges = [...log.querySelectorAll(".exchange")];
  const index = exchanges.findIndex((each) => each.getBoundingClientRect().bottom > 0);
  const exchange = exchanges[index];
  return exchange ? { index, top: exchange.getBoundingClientRect().top } : null;
}

/**
 * @param {HTMLElement} log
 * @param {() => boolean} isWanted
 */
async function rendered(log, isWanted) {
  const end = performance.now() + WAIT_MS;
  const isReady = () => log.querySelector(".exchange") && !log.querySelector(UNRENDERED);
  do await new Promise((resolve) => requestAnimationFrame(resolve));
  while (isWanted() && performance.now() < end && !isReady());
}
