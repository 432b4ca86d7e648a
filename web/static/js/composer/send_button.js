/** The button of the message box. It sends the message, or stops the running answer. */

import { setText } from "../i18n/language.js";

const REACTION_MS = 300; // a press this soon after the end of an answer was meant to stop it

export class SendButton {
  #button;
  #label;
  #isBusy = false;
  /** When an answer has ended beside a draft, which the button then sends. */
  #endedAt = -Infinity;

  /**
   * @param {HTMLFormElement} form is submitted by the button, unless it is pressed to stop
   * @param {() => void} stop called also when the answer has ended just before the press
   */
  constructor(form, stop) {
    this.#button = /** @type {HTMLButtonElement} */ (form.querySelector("button.send"));
    this.#label = /** @type {HTMLElement} */ (this.#button.querySelector(".label"));
    this.#button.addEventListener("click", (event) => {
      // the second click of a double click must not stop what the first one sent
      const isForStop = this.#isBusy ? event.detail <= 1 : performance.now() - this.#endedAt < REACTION_MS;
      if (!isForStop) return;
      event.preventDefault();
      stop();
    });
  }

  /** An answer has ended beside a draft. */
  answerEnded() {
    this.#endedAt = performance.now();
  }

  /**
   * @param {boolean} isBusy whether it stops
   * @param {boolean} canSend
   */
  show(isBusy, canSend) {
    this.#isBusy = isBusy;
    setText(this.#label, isBusy ? "stop" : "send");
    this.#button.disabled = !isBusy && !canSend;
  }
}
