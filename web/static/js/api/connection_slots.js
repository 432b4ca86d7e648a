/**
 * Limits how many connections the answers hold. Over HTTP/1.1 a browser has six to a host, over all of its tabs: if answers
 * held all of them, a permission, Stop and other pages would wait until one ends.
 */

import { storageName } from "../browser/page_root.js";

const SLOTS = 4; // which leaves two for short requests
const SLOT = storageName("slot."); // the beginning of the names of their locks
const LOOK_MS = 300; // between two looks whether all slots are taken; a short wait is not told

/**
 * Waits for a slot. Those who wait get one in the order in which they came, over all tabs. The browser frees those of a
 * tab that is closed.
 * @param {AbortSignal} signal ends the waiting
 * @param {() => void} waits called if all slots are taken
 * @returns {Promise<() => void>} frees the slot
 * @throws the signal's reason
 */
export async function takeSlot(signal, waits) {
  signal.throwIfAborted();
  if (isMultiplexed()) return () => {};
  let hasEnded = false;
  // on a slow device a free slot, too, takes its time
  const timer = setInterval(async () => {
    if (!(await areAllTaken()) || hasEnded) return;
    clearInterval(timer);
    waits();
  }, LOOK_MS);
  try {
    // plain http has no Web Locks
    return await (navigator.locks ? takeOfBrowser(signal) : takeOfTab(signal));
  } finally {
    hasEnded = true;
    clearInterval(timer);
  }
}

async function areAllTaken() {
  if (!navigator.locks) return taken === SLOTS;
  const { held = [] } = await navigator.locks.query();
  return held.filter(({ name }) => name?.startsWith(SLOT)).length === SLOTS;
}

/** Whether one connection carries all requests. */
function isMultiplexed() {
  const [page] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  return ["h2", "h3"].includes(page?.nextHopProtocol ?? "");
}

/** @param {AbortSignal} signal @returns {Promise<() => void>} */
function takeOfBrowser(signal) {
  // the first in the queue waits for all slots at once
  return navigator.locks.request(storageName("slots"), { signal }, () => takeAny(signal));
}

/** @param {AbortSignal} signal @returns {Promise<() => void>} */
function takeAny(signal) {
  const others = new AbortController();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => {
      others.abort();
      reject(/** @type {unknown} */ (signal.reason));
    });
    const take = () => {
      if (others.signal.aborted) return undefined; // two were free
      others.abort();
      return new Promise((free) => resolve(() => free(undefined)));
    };
    for (let slot = 0; slot < SLOTS; slot++) {
      navigator.locks.request(`${SLOT}${slot}`, { signal: others.signal }, take).catch(() => {}); // aborted
    }
  });
}

let taken = 0;
/** @type {Set<() => void>} */
const waiting = new Set();

/** @param {AbortSignal} signal @returns {Promise<() => void>} */
async function takeOfTab(signal) {
  if (taken === SLOTS) {
    await new Promise((resolve, reject) => {
      const next = () => resolve(undefined);
      waiting.add(next);
      signal.addEventListener("abort", () => waiting.delete(next) && reject(/** @type {unknown} */ (signal.reason)));
    });
  } else taken++;
  return () => {
    const [next] = waiting;
    if (next) waiting.delete(next);
    else taken--;
    next?.();
  };
}
