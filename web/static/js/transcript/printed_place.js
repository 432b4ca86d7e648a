/** Keeps the place over printing. In print, the conversation is shorter or longer, so its end is elsewhere. */

/**
 * Call once, before anything else that changes the page for print.
 * @param {import("./reading_position.js").ReadingPosition} position
 */
export function keepPlaceInPrint(position) {
  addEventListener("beforeprint", () => {
    addEventListener("afterprint", position.mark(), { once: true }); // after those that were added before
  });
}
