/** The question whether a tool may run, with its arguments and the buttons to decide. */

import { quietButton } from "../ui/button.js";
import { setLabel, setText, texts } from "../i18n/language.js";

/** @typedef {import("../api/run_control.js").ConsentOutcome} ConsentOutcome */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** What is said where the answer did not reach the tool. @type {Partial<Record<ConsentOutcome, TextKey>>} */
const PROBLEMS = { unknown: "consentUnknown", failed: "consentFailed" };

export class Consent {
  #question = document.createElement("p");
  #buttons = document.createElement("p");
  #problem = document.createElement("p");
  #name;
  #hasArguments;
  #canDecide;
  #decide;
  #isSending = false;

  /**
   * @param {string} name of the tool
   * @param {HTMLElement | null} content with the arguments, if there are some
   * @param {boolean} canDecide whether the server keeps the answer, so that it can be told
   * @param {(isAllowed: boolean) => Promise<ConsentOutcome>} decide
   */
  constructor(name, content, canDecide, decide) {
    this.#name = name;
    this.#hasArguments = content !== null;
    this.#canDecide = canDecide;
    this.#decide = decide;
    this.#question.className = "consent-question";
    this.#problem.className = "problem";
    this.#problem.setAttribute("role", "alert");
    this.element = document.createElement("div");
    this.element.className = "consent";
    this.element.setAttribute("role", "group");
    setLabel(this.element, "consent");
    this.element.append(this.#question, content ?? "");
    this.translate();
    if (!canDecide) return;
    this.#buttons.append(
      quietButton("allow", "allow", () => void this.#send(true)),
      quietButton("deny", "deny", () => void this.#send(false)),
    );
    this.element.append(this.#buttons, this.#problem);
  }

  /** Updates texts with variable parts to the current language. */
  translate() {
    const name = `\u2068${this.#name}\u2069`; // its direction must not change that of the question
    if (!this.#canDecide) this.#question.textContent = texts.consentImpossible;
    else this.#question.textContent = this.#hasArguments ? texts.consentQuestion(name) : texts.consentWithoutArguments(name);
  }

  /** @param {boolean} isAllowed */
  async #send(isAllowed) {
    if (this.#isSending) return;
    this.#disable(true);
    this.#problem.replaceChildren();
    const problem = PROBLEMS[await this.#decide(isAllowed)];
    this.#disable(false);
    if (problem) setText(this.#problem, problem);
  }

  /** The buttons keep the focus: the decision may fail. @param {boolean} isDisabled */
  #disable(isDisabled) {
    this.#isSending = isDisabled;
    for (const button of this.#buttons.querySelectorAll("button")) button.ariaDisabled = String(isDisabled);
  }
}
