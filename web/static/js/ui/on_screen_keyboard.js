/**
 * Keeps the message box above a keyboard on the screen. Chromium and Firefox shrink the page for it, because the page's
 * `interactive-widget` says so. Safari covers the page, and reports only the visible part, the visual viewport.
 */

import { frame, isAlone } from "../browser/page_root.js";

const NEAR = 1; // a pixel of rounding

/** Call once. */
export function watchKeyboard() {
  const { visualViewport } = window;
  if (!visualViewport || !isAlone) return; // a box in another page is that page's to place
  const update = () => {
    const { height, offsetTop, scale } = visualViewport;
    // zoomed in by two fingers, the reader moves the visible part
    const covered = scale > 1.01 ? 0 : Math.round(innerHeight - height - offsetTop);
    frame.style.setProperty("--keyboard", `${covered > NEAR ? covered : 0}px`);
  };
  for (const type of ["resize", "scroll"]) visualViewport.addEventListener(type, update);
  update();
}
