/** Where the reader writes. Its button sends, and while an answer is running, stops. */

import { words } from "./language.js";

/**
 * @typedef {object} ComposerEvents
 * @property {(message: string) => void} send
 * @property {() => void} stop
 */

export class Composer {
  #form;
  #field;
  #button;
  #label;
  #problem;
  #events;
  #running = false;
  #maxChars = Infinity;

  /**
   * @param {HTMLFormElement} form
   * @param {ComposerEvents} events
   */
  constructor(form, events) {
    this.#form = form;
    this.#events = events;
    this.#field = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("message"));
    this.#button = /** @type {HTMLButtonElement} */ (form.querySelector("button.send"));
    this.#label = /** @type {HTMLElement} */ (this.#button.querySelector(".label"));
    this.#problem = /** @type {HTMLElement} */ (form.querySelector(".problem"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#button.addEventListener("click", (event) => {
      // the second click of a double click must not stop what the first one sent
      if (!this.#running || event.detail > 1) return;
      event.preventDefault();
      this.#events.stop();
    });
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("input", () => this.#show());
    this.#show();
  }

  /** @param {number} maxChars */
  limit(maxChars) {
    this.#maxChars = maxChars;
    this.#show();
  }

  /** @param {boolean} running */
  set running(running) {
    this.#running = running;
    this.#show();
  }

  /** Puts a message there as if the reader had sent it. @param {string} message */
  send(message) {
    this.#field.value = message;
    this.#submit();
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter chooses a word. Safari ends the composition before this event and
    // tells by the key code alone.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#running) {
      this.#events.stop();
    }
  }

  #submit() {
    const message = this.#field.value;
    if (this.#running || message.trim() === "" || this.#tooLong()) return;
    this.#field.value = "";
    this.#show();
    this.#events.send(message);
  }

  /** Characters as the server counts them: an emoji outside the basic plane is one. */
  #tooLong() {
    const { value } = this.#field;
    return value.length > this.#maxChars && [...value].length > this.#maxChars;
  }

  #show() {
    const tooLong = this.#tooLong();
    this.#label.textContent = this.#running ? words.stop : words.send;
    this.#form.classList.toggle("running", this.#running);
    this.#button.disabled = !this.#running && (this.#field.value.trim() === "" || tooLong);
    this.#field.setAttribute("aria-invalid", String(tooLong));
    const problem = tooLong ? words.tooLong(this.#maxChars) : "";
    if (this.#problem.textContent !== problem) this.#problem.textContent = problem;
    this.#fit();
  }

  /** Grows with its text up to what the style sheet allows, where the browser cannot do that by itself. */
  #fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
