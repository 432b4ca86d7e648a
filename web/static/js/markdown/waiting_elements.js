/** Elements that wait for a library. While an answer grows, some of them are replaced: those are forgotten. */

const LEAST = 100; // as many may wait before any is checked

export class WaitingElements {
  /** @type {Set<Element>} */
  #elements = new Set();
  /** With so many, those that have left the page are removed. It doubles, so that each is checked a few times at most. */
  #limit = LEAST;

  /** @param {Element} element in the page */
  add(element) {
    this.#elements.add(element);
    if (this.#elements.size < this.#limit) return;
    for (const waiting of this.#elements) if (!waiting.isConnected) this.#elements.delete(waiting);
    this.#limit = Math.max(LEAST, 2 * this.#elements.size);
  }

  /** @returns {Element | undefined} the first one that is still in the page: it waits no more */
  take() {
    for (const element of this.#elements) {
      this.#elements.delete(element);
      if (element.isConnected) return element;
    }
    return undefined;
  }

  clear() {
    this.#elements.clear();
  }
}
