/**
 * Keeps the end of a growing answer in view while the reader is at the end. Any scrolling up by the reader stops this;
 * coming back to the end on the way down resumes it. The page's own scrolling and changes of the layout do neither.
 */

import { distanceToEnd, NEAR_END, scroller, scrollTarget } from "../browser/page_root.js";
import { onGrowth, onWantedInView } from "../ui/in_view.js";

const HOLD_MS = 250; // from what the reader does to the scrolling that it causes

export class ReadingPosition {
  /** Whether there is a conversation; the start screen is shown from its beginning. */
  #hasEnd = false;
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

  /**
   * @param {HTMLButtonElement} toEnd shown while the reader is not at the end
   * @param {HTMLElement} dock below the conversation: what grows in it must cover neither the end nor what has the focus
   */
  constructor(toEnd, dock) {
    this.toEnd = toEnd;
    toEnd.addEventListener("click", () => {
      this.goToEnd();
      this.#update();
    });
    scrollTarget.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    addEventListener("resize", () => this.follow());
    // scrolling to the end now would cancel the browser's smooth scrolling before its first step
    const hold = () => this.#hold();
    addEventListener("touchmove", hold, { passive: true });
    addEventListener("wheel", ({ deltaY }) => deltaY < 0 && hold(), { passive: true });
    addEventListener("keydown", ({ key, shiftKey }) => (/Up$|^Home$|^Tab$/.test(key) || (key === " " && shiftKey)) && hold());
    onWantedInView((element) => this.show(element, "nearest"));
    onGrowth(() => this.follow());
    this.#lastTop = scroller.scrollTop;
    new ResizeObserver(() => {
      scroller.style.setProperty("--dock", `${dock.offsetHeight}px`);
      this.follow();
    }).observe(dock);
  }

  /** Scrolls to the end if the reader was there. Call after the page has grown. */
  follow() {
    if (this.#hasEnd && this.#isAtEnd && !this.#held) this.goToEnd();
    this.#update();
  }

  /**
   * Stops following if the end is out of view, and goes on once all is closed again. Call after the reader has opened
   * or closed a collapsible section.
   */
  recheckEnd() {
    this.#lastTop = scroller.scrollTop;
    const distance = distanceToEnd();
    const change = distance - this.#lastDistance;
    if (this.#isAtEnd && distance > NEAR_END) {
      this.#isAtEnd = false;
      this.#pushed = change;
    } else if (this.#pushed > 0) {
      this.#pushed += change;
      if (change < 0 && this.#pushed <= NEAR_END) this.goToEnd();
    }
    this.#update();
  }

  /** Scrolls to a place that the reader has chosen, and stops following if that is not the end. @param {number} top pixels down */
  scrollBy(top) {
    scroller.scrollBy({ top, behavior: "instant" });
    this.#lastTop = scroller.scrollTop;
    if (distanceToEnd() > NEAR_END) this.#leave();
    this.#update();
  }

  /**
   * Scrolls to what the reader has chosen, and stops following at once: the page may grow before it hears of its scrolling.
   * @param {Element} element
   * @param {"start" | "center" | "nearest"} block where it comes in the window; "nearest" only scrolls as far as needed
   */
  show(element, block) {
    const { scrollTop } = scroller;
    element.scrollIntoView({ block, behavior: "instant" });
    const moved = scroller.scrollTop - scrollTop;
    if (block === "nearest" && Math.abs(moved) < 1) return;
    if (block !== "nearest" || (moved < 0 && distanceToEnd() > NEAR_END)) this.#leave();
    this.#lastDistance -= moved; // what remains is what was opened
    this.recheckEnd();
  }

  goToStart() {
    this.#hasEnd = false;
    scroller.scrollTo({ top: 0, behavior: "instant" });
    this.#update();
  }

  goToEnd() {
    this.#hasEnd = true;
    this.#isAtEnd = true;
    this.#pushed = 0;
    scroller.scrollTo({ top: scroller.scrollHeight, behavior: "instant" });
    this.#lastTop = scroller.scrollTop;
  }

  #leave() {
    this.#isAtEnd = false;
    this.#pushed = 0;
  }

  #hold() {
    clearTimeout(this.#held);
    this.#held = setTimeout(() => {
      this.#held = 0;
      this.follow();
    }, HOLD_MS);
  }

  #onScroll() {
    const top = scroller.scrollTop;
    const distance = distanceToEnd();
    // A page that shrinks moves up as well, but no farther from its end, and so does one that springs back.
    if (top < this.#lastTop && distance > Math.max(this.#lastDistance, 1)) this.#leave();
    // A page that grows above the window moves down, but no closer to its end, and a finger trembles: hence the half.
    else if (top > this.#lastTop && distance <= Math.min(NEAR_END, this.#farthest / 2)) this.#isAtEnd = true;
    this.#lastTop = top;
    this.#update();
  }

  #update() {
    const distance = distanceToEnd();
    this.#lastDistance = distance;
    this.#farthest = this.#isAtEnd ? 0 : Math.max(this.#farthest, distance);
    this.toEnd.hidden = !this.#hasEnd || this.#isAtEnd || distance <= NEAR_END;
  }
}
