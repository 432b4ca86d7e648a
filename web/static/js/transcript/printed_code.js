/** Prepares answers for print. All code wraps: its lines are split, so that the rest of a line begins deeper than its beginning. */

import { forgetWidths, measureForPrint } from "./printed_widths.js";
import { joinLines, splitLines } from "../markdown/wrapped_lines.js";

/**
 * Call once.
 * @param {HTMLElement} log
 */
export function watchPrinting(log) {
  /** @type {Element[]} */
  let split = [];
  addEventListener("beforeprint", () => {
    measureForPrint(log);
    split = [...log.querySelectorAll('.code:not(:has(.wrap-code[aria-pressed="true"])) code')];
    for (const code of split) splitLines(code, { atOnce: true });
  });
  addEventListener("afterprint", () => {
    forgetWidths(log);
    split.forEach(joinLines);
  });
}
