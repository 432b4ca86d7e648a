/** Returns to where the reader was in a conversation: by Back and Forward, and when the page is loaded again. */

import { conversationInAddress } from "../browser/address.js";
import { distanceToEnd, isAlone, isStorageClosed, NEAR_END, scrollTarget, storageName } from "../browser/page_root.js";
import { keepInView, onReaderAct } from "./kept_place.js";

const STORED = storageName("place");
const MOST = 50; // places that the next page gets
/** What stays the same when an exchange is shown again. Reasoning and long questions are folded then. */
const BLOCKS = ".question, .answer > .prose > :not(.group), .answer > .prose > .group > *";
const LEAST = 48; // pixels that stay in view of a question that is folded again

/**
 * @typedef {object} Place what is at the top of the view
 * @property {number} exchange its index
 * @property {number} top where it begins, in pixels below the bar
 * @property {number} block the index of the block in it; -1 if none is in view
 * @property {number} blockTop where that begins
 *
 * @typedef {object} Stored
 * @property {string | null} [conversation] the id of the last one
 * @property {Place} [place] in it; undefined for the end
 * @property {[string, Place][]} [places] by the entries of the browser's history
 */

/**
 * Call once.
 * @param {HTMLElement} log
 * @param {HTMLElement} bar covers the top of the window, or is above what scrolls
 * @param {(top: number) => void} scrollBy
 */
export function returnToPlaces(log, bar, scrollBy) {
  const stored = readStored();
  /** By the entry of the browser's history, the last one last. */
  const places = new Map(stored.places);
  /** The return that is under way: the page's own scrolling until then is no place. @type {AbortController | null} */
  let returning = null;
  const edge = () => {
    const { bottom } = bar.getBoundingClientRect();
    return isAlone ? Math.max(0, bottom) : bottom; // in a low window, the bar scrolls away
  };
  const note = () => {
    if (returning) return;
    const place = placeIn(log, edge());
    places.delete(entry());
    if (place) places.set(entry(), place);
  };
  const cancel = () => {
    returning?.abort();
    returning = null;
  };
  const returnTo = async (/** @type {Place | null | undefined} */ place) => {
    cancel();
    if (!place) return;
    const { signal } = (returning = new AbortController());
    await firstExchange(log, signal);
    const isKept = await keepInView(log, () => {
      const top = signal.aborted ? 0 : distanceTo(place, log, edge());
      if (Math.abs(top) >= 1) scrollBy(top);
      return !signal.aborted;
    });
    if (isKept) cancel();
  };
  const keep = () => {
    if (log.ariaBusy === "true") return; // what is kept is still to be returned to
    note();
    store({ conversation: conversationInAddress(), place: places.get(entry()), places: [...places].slice(-MOST) });
  };

  const isSame = stored.conversation && stored.conversation === conversationInAddress(); // a sign-in may have made another entry
  const first = isSame ? stored.place : places.get(entry());
  places.delete(entry());
  if (first) places.set(entry(), first); // until it is shown: the page may be loaded again before
  else note();
  scrollTarget.addEventListener("scroll", note, { passive: true });
  onReaderAct(cancel);
  addEventListener("popstate", () => void returnTo(places.get(entry())));
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && keep()); // it may be discarded
  void returnTo(first);
}

/** @returns {string} what names the entry; the same conversation may have several */
function entry() {
  return /** @type {any} */ (window).navigation?.currentEntry?.key ?? location.hash;
}

/** @param {Stored} stored for the next page in this tab */
function store(stored) {
  if (isStorageClosed()) return;
  try {
    sessionStorage.setItem(STORED, JSON.stringify(stored));
  } catch {
    // turned off: the next page begins at the end
  }
}

/** @returns {Stored} */
function readStored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
  } catch {
    return {}; // turned off
  }
}

/** @param {Element} exchange */
function blocksOf(exchange) {
  return [...exchange.querySelectorAll(BLOCKS)];
}

/** @param {HTMLElement} log @param {number} edge @returns {Place | null} null at the end */
function placeIn(log, edge) {
  if (distanceToEnd() <= NEAR_END) return null; // the page stays there
  const isInView = (/** @type {Element} */ each) => each.getBoundingClientRect().bottom > edge;
  const topOf = (/** @type {Element | undefined} */ each) => (each?.getBoundingClientRect().top ?? 0) - edge;
  const exchanges = [...log.querySelectorAll(".exchange")];
  const exchange = exchanges.findIndex(isInView);
  const shown = exchanges[exchange];
  if (!shown) return null;
  const blocks = blocksOf(shown);
  const block = blocks.findIndex(isInView);
  return { exchange, top: topOf(shown), block, blockTop: topOf(blocks[block]) };
}

/**
 * @param {Place} place
 * @param {HTMLElement} log
 * @param {number} edge
 * @returns {number} pixels down to it
 */
function distanceTo(place, log, edge) {
  const exchange = log.querySelectorAll(".exchange")[place.exchange];
  if (!exchange) return 0;
  const block = blocksOf(exchange)[place.block];
  const { top, height } = (block ?? exchange).getBoundingClientRect();
  const wanted = block ? place.blockTop : place.top;
  return top - edge - (wanted + height > 0 ? wanted : LEAST - height);
}

/**
 * @param {HTMLElement} log
 * @param {AbortSignal} signal
 * @returns {Promise<unknown>} fulfilled when an exchange is shown
 */
async function firstExchange(log, signal) {
  if (log.querySelector(".exchange")) return undefined;
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      observer.disconnect();
      resolve(undefined);
    });
    signal.addEventListener("abort", () => observer.disconnect());
    observer.observe(log, { childList: true });
  });
}
