/**
 * Where the reader is. The view follows the growing end only while the reader is at the end: one turn of the wheel
 * upwards stops it, coming back to the end takes it up again.
 */

const NEAR = 48; // pixels; less than two lines, so that "at the end" needs no aiming

export class ReadingPosition {
  /** Whether there is a growing end: the empty page has none, and is read from its beginning. */
  #hasEnd = false;
  #atEnd = true;
  #lastTop = 0;

  /** @param {HTMLButtonElement} toEnd shown while the reader is elsewhere */
  constructor(toEnd) {
    this.toEnd = toEnd;
    toEnd.addEventListener("click", () => {
      this.goToEnd();
      this.#show();
    });
    addEventListener("scroll", () => this.#look(), { passive: true });
    addEventListener("resize", () => this.follow());
    this.#lastTop = scrollY;
  }

  /** After the page has grown: stays at the end for a reader who was there. */
  follow() {
    if (this.#hasEnd && this.#atEnd) this.goToEnd();
    this.#show();
  }

  /** After the reader has opened something, and wants to see that: who is at the end no more stays away from it. */
  stay() {
    this.#atEnd &&= this.#distance() <= NEAR;
    this.#show();
  }

  goToStart() {
    this.#hasEnd = false;
    scrollTo({ top: 0, behavior: "instant" });
    this.#show();
  }

  goToEnd() {
    this.#hasEnd = true;
    this.#atEnd = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.#lastTop = scrollY;
  }

  #look() {
    // Growth between a scroll and its event looks like being away from the end. Only moving up is leaving.
    if (this.#distance() <= NEAR) this.#atEnd = true;
    else if (scrollY < this.#lastTop) this.#atEnd = false;
    this.#lastTop = scrollY;
    this.#show();
  }

  #show() {
    this.toEnd.hidden = !this.#hasEnd || this.#atEnd || this.#distance() <= NEAR;
  }

  #distance() {
    return document.documentElement.scrollHeight - innerHeight - scrollY;
  }
}
