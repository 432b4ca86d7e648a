/** In print all code wraps. Its lines are split for it, so that the rest of a line begins deeper than its beginning. */

import { joinLines, splitLines } from "../markdown/wrapped_lines.js";

/**
 * Call once.
 * @param {HTMLElement} log
 */
export function watchPrinting(log) {
  /** @type {Element[]} */
  let split = [];
  addEventListener("beforeprint", () => {
    split = [...log.querySelectorAll('.code:not(:has(.wrap-code[aria-pressed="true"])) code')];
    for (const code of split) splitLines(code, { atOnce: true });
  });
  addEventListener("afterprint", () => split.forEach(joinLines));
}
