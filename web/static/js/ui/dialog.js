/** A modal dialog. A click on the backdrop closes it, and so does a step in the history: it belongs to what was shown. */

import { lockScrolling } from "./scroll_lock.js";

export class Dialog {
  #element;
  #left = () => this.close();

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    this.#element = element;
    element.addEventListener("click", (event) => {
      if (event.target === element) element.close(); // the content covers all but the backdrop
    });
    element.addEventListener("close", () => {
      removeEventListener("popstate", this.#left);
      lockScrolling(element, this.isOpen);
    });
  }

  get isOpen() {
    return this.#element.open;
  }

  open() {
    if (this.isOpen) return;
    this.#element.showModal();
    lockScrolling(this.#element, true);
    addEventListener("popstate", this.#left);
  }

  close() {
    this.#element.close();
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }
}
