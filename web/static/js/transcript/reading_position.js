/** Keeps the end of a growing answer in view while the reader is at the end. */

import { NEAR_END, scroller, scrollTarget } from "../browser/page_root.js";
import { onGrowth, onWantedInView } from "../ui/in_view.js";
import { FollowedEnd } from "./followed_end.js";

export class ReadingPosition {
  /** Whether there is a conversation; the start screen is shown from its beginning. */
  #hasEnd = false;
  #end;

  /**
   * @param {HTMLButtonElement} toEnd shown while the reader is not at the end
   * @param {HTMLElement} log
   * @param {HTMLElement} dock below the conversation: what grows in it must cover neither the end nor what has the focus
   */
  constructor(toEnd, log, dock) {
    this.toEnd = toEnd;
    const follow = () => this.follow();
    this.#end = new FollowedEnd(scroller, { part: log, scrolls: scrollTarget, acts: window, follow, scrolled: () => this.#update() });
    toEnd.addEventListener("click", () => {
      this.goToEnd();
      this.#update();
    });
    addEventListener("resize", follow);
    onWantedInView((element) => this.show(element, "nearest"));
    onGrowth(follow);
    new ResizeObserver(() => {
      scroller.style.setProperty("--dock", `${dock.offsetHeight}px`);
      this.follow();
    }).observe(dock);
  }

  /** Scrolls to the end if the reader was there. Call after the page has grown. */
  follow() {
    if (this.#hasEnd && this.#end.isFollowed) this.goToEnd();
    this.#update();
  }

  /** Scrolls to the end as `follow` does, and then stays with what is marked. Call when an answer has ended. */
  finish() {
    this.follow();
    this.#end.settle();
  }

  /**
   * Stops following if the end is out of view, and goes on once all is closed again. Call after the reader has opened
   * or closed a collapsible section.
   */
  recheckEnd() {
    this.#end.recheck();
    this.#update();
  }

  /** Scrolls to a place that the reader has chosen, and stops following if that is not the end. @param {number} top pixels down */
  scrollBy(top) {
    this.#end.scrollBy(top);
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
    if (block !== "nearest" || (moved < 0 && this.#end.distance > NEAR_END)) this.#end.leave();
    this.#end.recheck(moved);
    this.#update();
  }

  /** Notes the place. @returns {() => void} goes back to it; to the end if the reader was there */
  mark() {
    const wasAtEnd = this.#hasEnd && !this.#end.isLeft;
    const { scrollTop } = scroller;
    return () => {
      const moved = scrollTop - scroller.scrollTop;
      if (wasAtEnd) this.goToEnd();
      else if (Math.abs(moved) >= 1) this.#end.scrollBy(moved);
      this.#update();
    };
  }

  goToStart() {
    this.#hasEnd = false;
    scroller.scrollTo({ top: 0, behavior: "instant" });
    this.#update();
  }

  goToEnd() {
    this.#hasEnd = true;
    this.#end.goToEnd();
  }

  #update() {
    const distance = this.#end.note();
    this.toEnd.hidden = !this.#hasEnd || !this.#end.isLeft || distance <= NEAR_END;
  }
}
