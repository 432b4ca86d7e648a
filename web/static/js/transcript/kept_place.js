/**
 * Keeps a place of a conversation in view. A long conversation is drawn while it is shown, above and below the place,
 * which stays in view until all has its height, or the reader goes on.
 */

/** Of answers that are being written, only what is below the place grows. */
const UNDRAWN = ".answer:not(.running) :is(.prose.plain, .prose[aria-busy=true], .formula:not([data-typeset]))";
const WAIT_MS = 5000; // for the next of them to be drawn; what has failed stays plain
const ACTS = ["wheel", "touchmove", "keydown", "pointerdown"];

/**
 * @param {() => void} act called when the reader goes on
 * @param {AbortSignal} [signal] ends it
 */
export function onReaderAct(act, signal) {
  for (const type of ACTS) addEventListener(type, act, { capture: true, passive: true, ...(signal && { signal }) });
}

/**
 * @param {HTMLElement} part of the page
 * @param {() => boolean} show brings the place into view, now and in each frame until all answers of the part are drawn;
 *   returns whether it is still wanted
 * @returns {Promise<boolean>} false if it is not
 */
export async function keepInView(part, show) {
  let before = 0;
  let end = 0;
  while (show()) {
    const { length } = part.querySelectorAll(UNDRAWN);
    // There may be more than before: an answer that is drawn has many formulas.
    if (length !== before) end = performance.now() + WAIT_MS;
    before = length;
    if (length === 0 || performance.now() > end) return true;
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return false;
}
