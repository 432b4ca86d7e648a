/** A modal dialog of the page: opens, closes, and closes too when the reader presses beside it. */

export class Dialog {
  #element;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    this.#element = element;
    element.addEventListener("click", (event) => {
      if (event.target === element) element.close(); // its content covers it: only the backdrop is left
    });
  }

  get isOpen() {
    return this.#element.open;
  }

  open() {
    if (!this.isOpen) this.#element.showModal();
  }

  close() {
    this.#element.close();
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }
}
