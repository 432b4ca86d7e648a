/**
 * Keeps what can be pressed in view: a notice that comes may cover what has the focus, the round button to the end, on
 * narrow windows, the buttons of a question, and the head of a section that is closed may be far above.
 */

import { scrollTarget } from "../browser/page_root.js";
import { bringIntoView } from "./in_view.js";

const CONTROLS = "a, button, summary, input, textarea";
const RING = 4; // pixels around a control, for the ring of the focus
const ROUND = 60; // pixels: the button with its words, in the middle, is wider

/**
 * Scrolls to what has the focus when the dock grows over it.
 * @param {HTMLElement} log
 * @param {HTMLElement} dock
 */
export function uncoverFocus(log, dock) {
  let height = dock.offsetHeight;
  new ResizeObserver(() => {
    const grown = dock.offsetHeight - height;
    height = dock.offsetHeight;
    const focused = document.activeElement;
    if (grown <= 0 || !focused || !log.contains(focused)) return;
    const { top, bottom } = focused.getBoundingClientRect();
    const edge = dock.getBoundingClientRect().top;
    const wasInView = top < edge + grown;
    if (wasInView && bottom + RING > edge && bottom - top < edge / 2) bringIntoView(focused);
  }).observe(dock);
}

/**
 * Scrolls to a control that the reader has used by keyboard, and that what it opens, closes or wraps has moved out of view.
 * @param {HTMLElement} log
 */
export function uncoverUsed(log) {
  /** @param {Element | null | undefined} control */
  const uncover = (control) => control && bringIntoView(control);
  const onToggle = (/** @type {Event} */ { target }) => {
    if (target instanceof HTMLDetailsElement) uncover(target.querySelector(":scope > summary:focus-visible"));
  };
  log.addEventListener("toggle", onToggle, { capture: true }); // it does not bubble
  log.addEventListener("click", ({ target }) => {
    if (target instanceof Element) uncover(target.closest(":is([aria-expanded], [aria-pressed]):focus-visible"));
  });
}

/**
 * Moves the round button to the end to the other side while something that can be pressed is below it.
 * @param {HTMLElement} button
 * @param {HTMLElement} log
 */
export function stepAside(button, log) {
  const dock = /** @type {HTMLElement} */ (button.parentElement);
  /** @param {number} left @param {number} right @param {number} top @param {number} bottom */
  const isFree = (left, right, top, bottom) => {
    const [dx, dy] = [(right - left) / 2 + RING, (bottom - top) / 2 + RING];
    for (const x of [-dx, 0, dx]) {
      for (const y of [-dy, 0, dy]) {
        const below = document.elementsFromPoint((left + right) / 2 + x, (top + bottom) / 2 + y);
        if (below.some((each) => log.contains(each) && each.closest(CONTROLS))) return false;
      }
    }
    return true;
  };
  const place = () => {
    const box = button.getBoundingClientRect();
    if (box.width === 0 || box.width > ROUND) return;
    const around = dock.getBoundingClientRect();
    const ends = [box.right, around.left + around.right - box.left];
    const [end, aside] = [Math.max(...ends), Math.min(...ends)];
    const isAside = !isFree(end - box.width, end, box.top, box.bottom) && isFree(aside - box.width, aside, box.top, box.bottom);
    button.classList.toggle("aside", isAside);
  };
  // Nobody who edits a question wants to leave it. Firefox tells nothing of an editor that is removed with its focus: hence the scrolling.
  const yieldToEditor = () => button.classList.toggle("yielding", Boolean(document.activeElement?.closest(".question-editor")));
  for (const event of ["focusin", "focusout"]) document.addEventListener(event, yieldToEditor);
  for (const listener of [yieldToEditor, place]) scrollTarget.addEventListener("scroll", listener, { passive: true });
  log.addEventListener("focusin", place);
  new MutationObserver(place).observe(button, { attributeFilter: ["hidden"] });
  new ResizeObserver(place).observe(dock);
}
