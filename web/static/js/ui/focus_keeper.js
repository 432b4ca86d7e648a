/**
 * Finds another place for the focus when the control that has it is removed, hidden, disabled or made inert. Browsers
 * leave it nowhere then: the next key goes to the page, and a screen reader starts again from its top.
 */

import { root } from "../browser/page_root.js";

/** Runs after each of these changes. A class may hide as well. */
const CHANGES = { subtree: true, childList: true, attributeFilter: ["class", "disabled", "hidden", "inert", "open"] };

export class FocusKeeper {
  /** @type {Element | null} */
  #focused = null;
  /** What was around it, the nearest first. @type {Element[]} */
  #around = [];
  #fallback;
  // Later, as a dialog that closes gives the focus back itself, in the middle of which this would run.
  #observer = new MutationObserver((records) => setTimeout(() => this.#check(records)));

  /** @param {() => void} fallback focuses what is always there, such as the message box */
  constructor(fallback) {
    this.#fallback = fallback;
    root.addEventListener("focusin", ({ target }) => this.#watch(/** @type {Element} */ (target)));
    // a press elsewhere moves the focus on purpose
    const release = (/** @type {Event} */ { target }) => {
      if (!this.#focused?.contains(/** @type {Node} */ (target))) this.#watch(null);
    };
    document.addEventListener("pointerdown", release, { capture: true, passive: true });
    if (root.contains(document.activeElement)) this.#watch(document.activeElement);
  }

  /** @param {Element | null} focused */
  #watch(focused) {
    this.#focused = focused;
    this.#around = [];
    this.#observer.disconnect();
    if (!focused || focused.matches("#sluice-message")) return; // the message box is always there
    for (let each = focused.parentElement; each && root.contains(each); each = each.parentElement) this.#around.push(each);
    this.#observer.observe(root, CHANGES);
  }

  /** @param {MutationRecord[]} records */
  #check(records) {
    const focused = this.#focused;
    const { activeElement } = document;
    if (!focused || (activeElement !== focused && activeElement !== document.body)) return;
    if (!isUsable(focused)) return this.#moveFrom(focused);
    const wasMoved = records.some(({ removedNodes }) => [...removedNodes].some((node) => node.contains(focused)));
    if (wasMoved && activeElement !== focused) focus(focused);
  }

  /** @param {Element} focused */
  #moveFrom(focused) {
    const around = this.#around;
    this.#watch(null);
    const place = around.find((each) => each.isConnected);
    // made again, such as the buttons below an answer
    const candidates = place?.closest(".exchange") ? [...place.querySelectorAll(focused.tagName)] : [];
    const again = candidates.find((each) => each.className === focused.className && isUsable(each));
    const summary = around.find((each) => each.matches("details"))?.querySelector("summary");
    if (again) focus(again);
    else if (summary && isUsable(summary)) focus(summary);
    else this.#fallback();
  }
}

/** @param {Element} element */
function isUsable(element) {
  return !element.matches(":disabled, [inert] *, [inert]") && element.checkVisibility({ visibilityProperty: true });
}

/** @param {Element} element */
function focus(element) {
  /** @type {HTMLElement} */ (element).focus({ preventScroll: true });
}
