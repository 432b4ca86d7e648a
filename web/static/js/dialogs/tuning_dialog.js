/** The dialog for the system prompt and the temperature of a conversation. They are kept when it closes. */

import { keepQuick, prepareFor } from "../ui/quick_field.js";
import { coarsePointer } from "../browser/page_root.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";
import { backUpChanges } from "../storage/record_backup.js";
import { texts, tooLong } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";
import { Dialog } from "../ui/dialog.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */

const STEP = 0.1; // of the temperature, by ArrowUp and ArrowDown

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
    this.#temperature.addEventListener("keydown", (event) => this.#step(event));
    element.querySelector("form")?.addEventListener("submit", (event) => {
      this.#show();
      const wrong = this.#promptProblem ? this.#prompt : this.#isOutside ? this.#temperature : null;
      if (!wrong) return;
      event.preventDefault();
      wrong.focus();
      const problem = this.#problems[wrong === this.#prompt ? 0 : 1];
      if (problem) bringIntoView(problem);
    });
    element.addEventListener("close", () => this.#keep());
    addEventListener("pagehide", () => this.isOpen && this.#keep({ isUnloading: true }));
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
      if (!shown || shown.textContent === problem) return; // an alert: only what is new
      const isNew = shown.textContent === "";
      shown.textContent = problem;
      if (isNew && this.isOpen) bringIntoView(shown);
    });
  }

  get #promptProblem() {
    return tooLong(this.#prompt.value, this.#maxChars);
  }

  /** The temperature; undefined for the model's own, NaN if it is no number. A field for numbers would not tell what else is typed. */
  get #number() {
    const text = this.#temperature.value.normalize("NFKC").trim().replace(/[,。]/, ".");
    if (text === "") return undefined;
    return /^(\d+\.?|\d*\.\d+)$/.test(text) ? Number(text) : NaN;
  }

  /** Whether it is no number of the range. */
  get #isOutside() {
    const number = this.#number;
    return number !== undefined && !(number <= MAX_TEMPERATURE);
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const number = this.#number ?? 0;
    if (!direction || event.isComposing || Number.isNaN(number)) return;
    event.preventDefault();
    this.#temperature.value = String(Math.min(MAX_TEMPERATURE, Math.max(0, Math.round((number + direction * STEP) * 100) / 100)));
    this.#show();
  }

  /** Keeps what is valid, and offers the rest again. @param {{ isUnloading?: boolean }} [options] whether the page is unloaded */
  #keep({ isUnloading = false } = {}) {
    /** @type {Tuning} */
    const changes = {};
    const systemPrompt = this.#prompt.value.trim() === "" ? undefined : this.#prompt.value;
    const temperature = this.#number;
    if (!this.#promptProblem && systemPrompt !== this.#before.systemPrompt) changes.systemPrompt = systemPrompt;
    if (!this.#isOutside && temperature !== this.#before.temperature) changes.temperature = temperature;
    if (Object.keys(changes).length > 0) {
      if (isUnloading && this.#stored) backUpChanges(this.#stored, changes);
      this.#events?.changed(changes);
    }
    if (!isUnloading) this.#offerRefused();
    this.#before = { ...this.#before, ...changes };
  }

  #offerRefused() {
    const [{ value: systemPrompt }, { value: temperature }] = [this.#prompt, this.#temperature];
    const isTooLong = this.#promptProblem !== "" && systemPrompt !== this.#before.systemPrompt;
    const isOutside = this.#isOutside;
    if (!isTooLong && !isOutside) return;
    const refused = { ...(isTooLong && { systemPrompt }), ...(isOutside && { temperature }) };
    this.#events?.refused(isTooLong ? "instructionsNotKept" : "temperatureNotKept", refused);
  }
}
