/** What tells that the reader goes on: the page then no longer brings a place into view. */

const ACTS = ["wheel", "touchmove", "keydown", "pointerdown"];

/**
 * @param {() => void} act called for each of them
 * @param {AbortSignal} [signal] ends it
 */
export function onReaderAct(act, signal) {
  for (const type of ACTS) addEventListener(type, act, { capture: true, passive: true, ...(signal && { signal }) });
}
