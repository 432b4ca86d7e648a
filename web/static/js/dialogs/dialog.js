/** A modal dialog. A click on the backdrop closes it. */

export class Dialog {
  #element;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    this.#element = element;
    element.addEventListener("click", (event) => {
      if (event.target === element) element.close(); // the content covers all but the backdrop
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
