/**
 * Where the reader is. The view follows the growing end only while the reader is at the end: one turn of the wheel
 * upwards stops it, coming back to the end takes it up again.
 */

const NEAR = 48; // pixels; less than two lines, so that "at the end" needs no aiming

export class ReadingPosition {
  /** Whether there is a growing end: the empty page has none, and is read from its beginning. */
  #hasEnd = false;
  #isAtEnd = true;
  #lastTop = 0;

  /** @param {HTMLButtonElement} toEnd shown while the reader is elsewhere */
  constructor(toEnd) {
    this.toEnd = toEnd;
    toEnd.addEventListener("click", () => {
      this.goToEnd();
      this.#updateButton();
    });
    addEventListener("scroll", () => this.#onScroll(), { passive: true });
    addEventListener("resize", () => this.follow());
    this.#lastTop = scrollY;
  }

  /** After the page has grown: stays at the end for a reader who was there. */
  follow() {
    if (this.#hasEnd && this.#isAtEnd) this.goToEnd();
    this.#updateButton();
  }

  /** After the reader has opened something, and wants to see that: who is at the end no more stays away from it. */
  recheckEnd() {
    this.#isAtEnd &&= this.#distance() <= NEAR;
    this.#updateButton();
  }

  goToStart() {
    this.#hasEnd = false;
    scrollTo({ top: 0, behavior: "instant" });
    this.#updateButton();
  }

  goToEnd() {
    this.#hasEnd = true;
    this.#isAtEnd = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.#lastTop = scrollY;
  }

  #onScroll() {
    // Growth between a scroll and its event looks like being away from the end. Only moving up is leaving.
    if (this.#distance() <= NEAR) this.#isAtEnd = true;
    else if (scrollY < this.#lastTop) this.#isAtEnd = false;
    this.#lastTop = scrollY;
    this.#updateButton();
  }

  #updateButton() {
    this.toEnd.hidden = !this.#hasEnd || this.#isAtEnd || this.#distance() <= NEAR;
  }

  #distance() {
    return document.documentElement.scrollHeight - innerHeight - scrollY;
  }
}
