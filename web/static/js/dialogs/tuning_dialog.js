/** The dialog for the system prompt and the temperature of a conversation. They are kept when it closes. */

import { keepQuick, prepareFor } from "../ui/quick_field.js";
import { coarsePointer } from "../browser/page_root.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";
import { leaveChanges } from "../storage/left_changes.js";
import { texts, tooLong } from "../i18n/language.js";
import { Dialog } from "./dialog.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */

/**
 * @typedef {object} Refused what was typed and cannot be kept: too long, or outside the range
 * @property {string} [systemPrompt]
 * @property {string} [temperature]
 *
 * @typedef {object} TuningEvents called when the dialog closes
 * @property {(changes: Tuning) => void} changed with the changed values only
 * @property {(key: "instructionsNotKept" | "temperatureNotKept", refused: Refused) => void} refused
 */

export class TuningDialog extends Dialog {
  #element;
  #prompt;
  #temperature;
  #problems;
  /** @type {Tuning} */
  #before = {};
  /** @type {TuningEvents | null} */
  #events = null;
  /** The id of a stored conversation; empty for a new one. */
  #stored = "";
  #maxChars = Infinity;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    super(element);
    this.#element = element;
    this.#prompt = /** @type {HTMLTextAreaElement} */ (element.querySelector("textarea"));
    this.#temperature = /** @type {HTMLInputElement} */ (element.querySelector("input"));
    this.#problems = [this.#prompt, this.#temperature].map((field) => /** @type {HTMLElement} */ (field.parentElement?.querySelector(".problem")));
    keepQuick(this.#prompt);
    element.addEventListener("input", () => this.#show());
    element.querySelector("form")?.addEventListener("submit", (event) => {
      this.#show();
      const wrong = this.#promptProblem ? this.#prompt : this.#isOutside ? this.#temperature : null;
      if (!wrong) return;
      event.preventDefault();
      wrong.focus();
    });
    element.addEventListener("close", () => this.#keep());
    addEventListener("pagehide", () => this.isOpen && this.#keep({ isLeft: true }));
  }

  /** @param {Configuration} configuration */
  configure({ allowsSystemPrompt, allowsTemperature, maxMessageChars }) {
    this.#maxChars = maxMessageChars;
    /** @type {HTMLElement} */ (this.#prompt.closest(".field")).hidden = !allowsSystemPrompt;
    /** @type {HTMLElement} */ (this.#temperature.closest(".field")).hidden = !allowsTemperature;
  }

  /**
   * @param {Tuning} tuning of the conversation
   * @param {string} stored its id; empty for a new one
   * @param {TuningEvents} events
   * @param {Refused} refused before, and shown again
   */
  edit(tuning, stored, events, refused) {
    this.#before = tuning;
    this.#stored = stored;
    this.#events = events;
    const { systemPrompt = "", temperature = "" } = { ...tuning, ...refused };
    prepareFor(this.#prompt, systemPrompt);
    this.#prompt.value = systemPrompt;
    this.#temperature.value = String(temperature);
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
    const found = [this.#promptProblem, this.#isOutside ? texts.temperatureOutside : ""];
    [this.#prompt, this.#temperature].forEach((field, index) => {
      const [problem, shown] = [found[index] ?? "", this.#problems[index]];
      field.setAttribute("aria-invalid", String(problem !== ""));
      if (shown && shown.textContent !== problem) shown.textContent = problem; // an alert: only what is new
    });
  }

  get #promptProblem() {
    return tooLong(this.#prompt.value, this.#maxChars);
  }

  /** Whether it is no number of the range. The steps of the field are for its arrows only. */
  get #isOutside() {
    const { value, validity } = this.#temperature;
    return validity.badInput || (value !== "" && !(Number(value) >= 0 && Number(value) <= MAX_TEMPERATURE));
  }

  /** Keeps what is valid, and offers the rest again. @param {{ isLeft?: boolean }} [options] whether the page is left */
  #keep({ isLeft = false } = {}) {
    /** @type {Tuning} */
    const changes = {};
    const systemPrompt = this.#prompt.value.trim() === "" ? undefined : this.#prompt.value;
    const temperature = this.#temperature.value === "" ? undefined : Number(this.#temperature.value);
    if (!this.#promptProblem && systemPrompt !== this.#before.systemPrompt) changes.systemPrompt = systemPrompt;
    if (!this.#isOutside && temperature !== this.#before.temperature) changes.temperature = temperature;
    if (Object.keys(changes).length > 0) {
      if (isLeft && this.#stored) leaveChanges(this.#stored, changes);
      this.#events?.changed(changes);
    }
    if (!isLeft) this.#offerRefused();
    this.#before = { ...this.#before, ...changes };
  }

  #offerRefused() {
    const [{ value: systemPrompt }, { value: temperature }] = [this.#prompt, this.#temperature];
    const isTooLong = this.#promptProblem !== "" && systemPrompt !== this.#before.systemPrompt;
    const isOutside = this.#isOutside && temperature !== ""; // what is no number cannot be read
    if (!isTooLong && !isOutside) return;
    const refused = { ...(isTooLong && { systemPrompt }), ...(isOutside && { temperature }) };
    this.#events?.refused(isTooLong ? "instructionsNotKept" : "temperatureNotKept", refused);
  }
}
