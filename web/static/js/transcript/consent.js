/** The question whether a tool may run, below its arguments. */

import { quietButton } from "../ui/button.js";
import { setLabel, setText } from "../i18n/language.js";

/** @typedef {import("../api/run_control.js").ConsentOutcome} ConsentOutcome */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** What is said where the answer did not reach the tool. @type {Partial<Record<ConsentOutcome, TextKey>>} */
const PROBLEMS = { unknown: "consentUnknown", failed: "consentFailed" };

export class Consent {
  #buttons = document.createElement("p");
  #problem = document.createElement("p");
  #decide;

  /**
   * @param {boolean} canDecide whether the server keeps the answer, so that it can be told
   * @param {(isAllowed: boolean) => Promise<ConsentOutcome>} decide
   */
  constructor(canDecide, decide) {
    this.#decide = decide;
    const question = document.createElement("p");
    setText(question, canDecide ? "consentQuestion" : "consentImpossible");
    this.#problem.className = "problem";
    this.#problem.setAttribute("role", "alert");
    this.element = document.createElement("div");
    this.element.className = "consent";
    this.element.setAttribute("role", "group");
    setLabel(this.element, "consent");
    this.element.append(question);
    if (!canDecide) return;
    this.#buttons.append(
      quietButton("allow", "allow", () => void this.#send(true)),
      quietButton("deny", "deny", () => void this.#send(false)),
    );
    this.element.append(this.#buttons, this.#problem);
  }

  /** @param {boolean} isAllowed */
  async #send(isAllowed) {
    this.#disable(true);
    this.#problem.replaceChildren();
    const row = this.element.closest("details");
    const problem = PROBLEMS[await this.#decide(isAllowed)];
    if (!this.element.isConnected) row?.querySelector("summary")?.focus({ preventScroll: true }); // the button is gone
    this.#disable(false);
    if (problem) setText(this.#problem, problem);
  }

  /** @param {boolean} isDisabled */
  #disable(isDisabled) {
    for (const button of this.#buttons.querySelectorAll("button")) button.disabled = isDisabled;
  }
}
