/** The dialog for the system prompt and the temperature of a conversation. They are kept when it closes. */

import { coarsePointer } from "../browser/page_root.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";
import { texts } from "../i18n/language.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */

export class TuningDialog extends Dialog {
  #element;
  #prompt;
  #temperature;
  #problem;
  /** @type {Tuning} */
  #before = {};
  /** @type {(changes: Tuning) => void} */
  #changed = () => {};
  #maxChars = Infinity;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    super(element);
    this.#element = element;
    this.#prompt = /** @type {HTMLTextAreaElement} */ (element.querySelector("textarea"));
    this.#temperature = /** @type {HTMLInputElement} */ (element.querySelector("input"));
    this.#problem = /** @type {HTMLElement} */ (element.querySelector(".problem"));
    element.addEventListener("input", () => this.#show());
    element.querySelector("form")?.addEventListener("submit", (event) => {
      this.#show();
      if (this.#problem.textContent !== "") event.preventDefault();
    });
    element.addEventListener("close", () => this.#keep());
    addEventListener("pagehide", () => this.isOpen && this.#keep());
  }

  /** @param {Configuration} configuration */
  configure({ allowsSystemPrompt, allowsTemperature, maxMessageChars }) {
    this.#maxChars = maxMessageChars;
    /** @type {HTMLElement} */ (this.#prompt.closest(".field")).hidden = !allowsSystemPrompt;
    /** @type {HTMLElement} */ (this.#temperature.closest(".field")).hidden = !allowsTemperature;
  }

  /**
   * @param {Tuning} tuning of the conversation
   * @param {(changes: Tuning) => void} changed called when the dialog closes, with the changed values only
   */
  edit(tuning, changed) {
    this.#before = tuning;
    this.#changed = changed;
    this.#prompt.value = tuning.systemPrompt ?? "";
    this.#temperature.value = String(tuning.temperature ?? "");
    this.#show();
    if (coarsePointer.matches) this.#focusHeading();
    this.open();
  }

  /** A focused field would open the keyboard on the screen. */
  #focusHeading() {
    const heading = /** @type {HTMLElement} */ (this.#element.querySelector("h2"));
    heading.tabIndex = -1;
    heading.autofocus = true;
  }

  #show() {
    const isTooLong = this.#isTooLong;
    const isOutside = this.#isOutside;
    this.#prompt.setAttribute("aria-invalid", String(isTooLong));
    this.#temperature.setAttribute("aria-invalid", String(isOutside));
    const problem = isTooLong ? texts.tooLong(this.#maxChars) : isOutside ? texts.temperatureOutside : "";
    if (this.#problem.textContent !== problem) this.#problem.textContent = problem;
  }

  /** In code points, as the server counts. */
  get #isTooLong() {
    const { value } = this.#prompt;
    return value.length > this.#maxChars && [...value].length > this.#maxChars;
  }

  /** Whether it is no number of the range. The steps of the field are for its arrows only. */
  get #isOutside() {
    const { value, validity } = this.#temperature;
    return validity.badInput || (value !== "" && !(Number(value) >= 0 && Number(value) <= MAX_TEMPERATURE));
  }

  /** Keeps what is valid. */
  #keep() {
    /** @type {Tuning} */
    const changes = {};
    const systemPrompt = this.#prompt.value.trim() === "" ? undefined : this.#prompt.value;
    const temperature = this.#temperature.value === "" ? undefined : Number(this.#temperature.value);
    if (!this.#isTooLong && systemPrompt !== this.#before.systemPrompt) changes.systemPrompt = systemPrompt;
    if (!this.#isOutside && temperature !== this.#before.temperature) changes.temperature = temperature;
    if (Object.keys(changes).length > 0) this.#changed(changes);
    this.#before = { ...this.#before, ...changes };
  }
}
