/**
 * Keeps the end of a growing answer in view while the reader is at the end. Scrolling up stops this; scrolling back to
 * the end resumes it.
 */

import { isAlone, scroller } from "../browser/page_root.js";

const NEAR = 48; // pixels, less than two lines: this close counts as at the end

export class ReadingPosition {
  /** Whether there is a conversation; the start screen is shown from its beginning. */
  #hasEnd = false;
  #isAtEnd = true;
  #lastTop = 0;

  /** @param {HTMLButtonElement} toEnd shown while the reader is not at the end */
  constructor(toEnd) {
    this.toEnd = toEnd;
    toEnd.addEventListener("click", () => {
      this.goToEnd();
      this.#updateButton();
    });
    (isAlone ? window : scroller).addEventListener("scroll", () => this.#onScroll(), { passive: true });
    addEventListener("resize", () => this.follow());
    this.#lastTop = scroller.scrollTop;
  }

  /** Scrolls to the end if the reader was there. Call after the page has grown. */
  follow() {
    if (this.#hasEnd && this.#isAtEnd) this.goToEnd();
    this.#updateButton();
  }

  /** Stops following if the end is out of view. Call after the reader has opened a collapsible section. */
  recheckEnd() {
    this.#isAtEnd &&= this.#distance() <= NEAR;
    this.#updateButton();
  }

  goToStart() {
    this.#hasEnd = false;
    scroller.scrollTo({ top: 0, behavior: "instant" });
    this.#updateButton();
  }

  goToEnd() {
    this.#hasEnd = true;
    this.#isAtEnd = true;
    scroller.scrollTo({ top: scroller.scrollHeight, behavior: "instant" });
    this.#lastTop = scroller.scrollTop;
  }

  #onScroll() {
    // The page may grow between a scroll and its event. So only scrolling up counts as leaving the end.
    if (this.#distance() <= NEAR) this.#isAtEnd = true;
    else if (scroller.scrollTop < this.#lastTop) this.#isAtEnd = false;
    this.#lastTop = scroller.scrollTop;
    this.#updateButton();
  }

  #updateButton() {
    this.toEnd.hidden = !this.#hasEnd || this.#isAtEnd || this.#distance() <= NEAR;
  }

  #distance() {
    return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  }
}
