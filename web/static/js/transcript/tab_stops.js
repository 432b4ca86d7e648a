/** Lets Tab stop at the boxes of answers that scroll, and at no others. */

const BOXES = ".table, .code pre, .tool-text";
const ROUNDING = 1; // px: sizes may be fractions

/**
 * Call once. Until Tab is pressed, each box is a stop.
 * @param {HTMLElement} log
 */
export function watchTab(log) {
  const options = { capture: true, passive: true };
  document.addEventListener("keydown", ({ key }) => key === "Tab" && setStops(log), options);
}

/** @param {HTMLElement} log */
function setStops(log) {
  const boxes = /** @type {HTMLElement[]} */ ([...log.querySelectorAll(BOXES)]);
  // to measure what is not rendered, a browser would lay it out
  const measured = boxes.filter((box) => box.checkVisibility({ contentVisibilityAuto: true }));
  const scrolls = measured.map((box) => box.scrollWidth > box.clientWidth + ROUNDING || box.scrollHeight > box.clientHeight + ROUNDING);
  measured.forEach((box, index) => {
    if (scrolls[index]) box.tabIndex = 0;
    else if (box !== document.activeElement) box.removeAttribute("tabindex");
  });
}
