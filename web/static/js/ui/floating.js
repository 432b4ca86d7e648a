/** Places a popover, which is above everything else, next to a control. */

const GAP = 4; // pixels
const EDGE = 8; // pixels to the edge of the window

/**
 * @param {HTMLElement} popover shown
 * @param {Element} control
 * @param {"start" | "centre" | "end"} side which edge, or the centre, is in line with that of the control
 * @param {"above" | "below"} preferred the other one is used where there is more room
 */
export function placeBeside(popover, control, side, preferred) {
  const anchor = control.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const lefts = { start: anchor.left, centre: (anchor.left + anchor.right - width) / 2, end: anchor.right - width };
  const [above, below] = [anchor.top - GAP - height, anchor.bottom + GAP];
  const fitsAbove = above >= EDGE;
  const fitsBelow = below + height <= innerHeight - EDGE;
  const isBelow = preferred === "below" ? fitsBelow || !fitsAbove : fitsBelow && !fitsAbove;
  popover.style.left = `${clamp(lefts[side], EDGE, innerWidth - EDGE - width)}px`;
  popover.style.top = `${clamp(isBelow ? below : above, EDGE, innerHeight - EDGE - height)}px`;
}

/**
 * @param {number} value
 * @param {number} least wins over the most
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}
