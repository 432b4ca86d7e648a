/**
 * The end of what grows and scrolls, and whether the reader is there. Any scrolling up by the reader leaves the end;
 * coming back to it on the way down returns. The page's own scrolling and changes of the layout do neither. Nothing is
 * followed while the reader marks something, and while that is marked.
 */

import { distanceToEnd, NEAR_END } from "../browser/page_root.js";

const HOLD_MS = 250; // from what the reader does to the scrolling that it causes

export class FollowedEnd {
  #box;
  #part;
  #follow;
  #isAtEnd = true;
  /** By how much what the reader has opened has pushed the end away, in pixels. */
  #pushed = 0;
  #lastTop = 0;
  /** From the end, in pixels, as last seen. */
  #lastDistance = 0;
  /** The greatest distance since the reader left the end. */
  #farthest = 0;
  /** The timer while the reader may be about to scroll up; otherwise 0. */
  #held = 0;
  #isPressed = false;
  /** Whether what is marked was marked since the reader went to the end. */
  #mayBeMarked = false;

  /**
   * @param {HTMLElement} box scrolls
   * @param {object} page
   * @param {HTMLElement} [page.part] in which the reader marks something
   * @param {EventTarget} [page.scrolls] gets the events of its scrolling
   * @param {EventTarget} [page.acts] gets the events of the reader's fingers, wheels and keys
   * @param {() => void} page.follow called when the end may be followed again
   * @param {() => void} [page.scrolled] called after any scrolling
   */
  constructor(box, { part = box, scrolls = box, acts = box, follow, scrolled = () => {} }) {
    this.#box = box;
    this.#part = part;
    this.#follow = follow;
    scrolls.addEventListener("scroll", () => (this.#onScroll(), scrolled()), { passive: true });
    // scrolling to the end now would cancel the browser's smooth scrolling before its first step
    const hold = () => this.#hold();
    const onWheel = (/** @type {any} */ { deltaY }) => deltaY < 0 && hold();
    const onKey = (/** @type {any} */ { key, shiftKey }) => (/Up$|^Home$|^Tab$/.test(key) || (key === " " && shiftKey)) && hold();
    acts.addEventListener("touchmove", hold, { passive: true });
    acts.addEventListener("wheel", onWheel, { passive: true });
    acts.addEventListener("keydown", onKey);
    part.addEventListener("pointerdown", ({ button, isPrimary }) => button === 0 && isPrimary && this.#press(), { capture: true });
    this.#lastTop = box.scrollTop;
  }

  /** Whether what grows stays where it is until the reader does something. */
  get isLeft() {
    return !this.#isAtEnd || this.#isMarking;
  }

  /** Whether what grows is to be scrolled to its end now. */
  get isFollowed() {
    return !this.isLeft && !this.#held;
  }

  get #isMarking() {
    return this.#isPressed || (this.#mayBeMarked && isMarked(this.#part));
  }

  /** @returns {number} pixels below what is in view */
  get distance() {
    return distanceToEnd(this.#box);
  }

  goToEnd() {
    this.#isAtEnd = true;
    this.#mayBeMarked = false;
    this.#pushed = 0;
    this.#box.scrollTo({ top: this.#box.scrollHeight, behavior: "instant" });
    this.#lastTop = this.#box.scrollTop;
  }

  /** Leaves the end if that is out of view, because something is marked. Call when nothing grows any more. */
  settle() {
    if (this.#isMarking && this.distance > NEAR_END) this.leave();
  }

  leave() {
    this.#isAtEnd = false;
    this.#pushed = 0;
  }

  /** Notes the place. Call after each change of it. @returns {number} its distance to the end, in pixels */
  note() {
    const { distance } = this;
    this.#lastDistance = distance;
    this.#farthest = this.isLeft ? Math.max(this.#farthest, distance) : 0;
    return distance;
  }

  /**
   * Leaves the end if it is out of view, and goes there once all is closed again. Call after the reader has opened or
   * closed something.
   * @param {number} [moved] by how much the page has scrolled itself for it, in pixels
   */
  recheck(moved = 0) {
    this.#lastTop = this.#box.scrollTop;
    const { distance } = this;
    const change = distance - this.#lastDistance + moved; // what remains is what was opened
    if (this.#isAtEnd && distance > NEAR_END) {
      this.#isAtEnd = false;
      this.#pushed = change;
    } else if (this.#pushed > 0) {
      this.#pushed += change;
      if (change < 0 && this.#pushed <= NEAR_END) this.goToEnd();
    }
  }

  /** Scrolls to a place that the reader has chosen, and leaves the end if it is not that. @param {number} top pixels down */
  scrollBy(top) {
    this.#box.scrollBy({ top, behavior: "instant" });
    this.#lastTop = this.#box.scrollTop;
    if (this.distance > NEAR_END) this.leave();
  }

  /** Stays while the button or the finger is down, and for the second press of a double click. */
  #press() {
    this.#isPressed = this.#mayBeMarked = true;
    const pressed = new AbortController();
    const release = () => {
      pressed.abort();
      this.#isPressed = false;
      this.#hold();
    };
    const options = { capture: true, signal: pressed.signal };
    addEventListener("pointerup", release, options);
    addEventListener("pointercancel", release, options);
    // some browsers tell nothing of a release over a scrollbar
    addEventListener("pointermove", ({ buttons }) => (buttons & 1) === 0 && release(), options);
  }

  #hold() {
    clearTimeout(this.#held);
    this.#held = setTimeout(() => {
      this.#held = 0;
      this.#follow();
    }, HOLD_MS);
  }

  #onScroll() {
    const top = this.#box.scrollTop;
    const { distance } = this;
    // A page that shrinks moves up as well, but no farther from its end, and so does one that springs back.
    if (top < this.#lastTop && distance > Math.max(this.#lastDistance, 1)) this.leave();
    // A page that grows above the window moves down, but no closer to its end, and a finger trembles: hence the half.
    else if (top > this.#lastTop && distance <= Math.min(NEAR_END, this.#farthest / 2)) {
      this.#isAtEnd = true;
      this.#mayBeMarked = this.#isPressed;
    } else if (top > this.#lastTop && distance > NEAR_END && this.#isMarking) this.leave();
    this.#lastTop = top;
    this.note();
  }
}

/** @param {HTMLElement} part @returns {boolean} whether something in it is marked, and nothing else */
function isMarked(part) {
  const selection = getSelection();
  return !!selection && !selection.isCollapsed && part.contains(selection.anchorNode) && part.contains(selection.focusNode);
}
