/** A modal dialog. A click on the backdrop closes it. */

import { lockScrolling } from "./scroll_lock.js";

export class Dialog {
  #element;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    this.#element = element;
    element.addEventListener("click", (event) => {
      if (event.target === element) element.close(); // the content covers all but the backdrop
    });
    element.addEventListener("close", () => lockScrolling(element, this.isOpen));
  }

  get isOpen() {
    return this.#element.open;
  }

  open() {
    if (this.isOpen) return;
    this.#element.showModal();
    lockScrolling(this.#element, true);
  }

  close() {
    this.#element.close();
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }
}
