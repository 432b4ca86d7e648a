/** Goes back and forth between branches: "‹ 2 / 3 ›". Hidden where there is only one. */

import { symbolButton } from "../ui/button.js";
import { setLabel } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} BranchChoice how the reader came to another branch
 * @property {import("../i18n/language.js").TextKey} name by which switch
 * @property {HTMLElement} button of it, soon gone
 * @property {number} step which way
 */

export class BranchSwitch {
  #position = document.createElement("span");
  #previousButton;
  #nextButton;
  /** @type {Exchange[]} */
  #branches = [];
  #index = 0;

  /**
   * @param {import("../i18n/language.js").TextKey} name what there are several of
   * @param {(exchange: Exchange, choice: BranchChoice) => void} choose
   */
  constructor(name, choose) {
    this.element = document.createElement("span");
    this.element.className = "branches when-idle";
    this.element.setAttribute("role", "group");
    setLabel(this.element, name);
    /** @param {number} step */
    const go = (step) => {
      const exchange = this.#branches[this.#index + step];
      if (exchange) choose(exchange, { name, step, button: step > 0 ? this.#nextButton : this.#previousButton });
    };
    this.#previousButton = symbolButton("‹", "versionBefore", "arrow", () => go(-1));
    this.#nextButton = symbolButton("›", "versionAfter", "arrow", () => go(1));
    this.element.append(this.#previousButton, this.#position, this.#nextButton);
    this.show([], -1);
  }

  /**
   * The switch of the branch that was left is gone: the reader goes on with this one.
   * @param {number} step which way
   * @returns {HTMLElement} what has the focus
   */
  focus(step) {
    const [wanted, other] = step > 0 ? [this.#nextButton, this.#previousButton] : [this.#previousButton, this.#nextButton];
    const button = wanted.disabled ? other : wanted;
    button.focus({ preventScroll: true });
    return button;
  }

  /**
   * @param {Exchange[]} branches
   * @param {number} index the one that is shown
   */
  show(branches, index) {
    this.#branches = branches;
    this.#index = index;
    this.element.hidden = branches.length < 2;
    this.#position.textContent = `${index + 1} / ${branches.length}`;
    this.#previousButton.disabled = index <= 0;
    this.#nextButton.disabled = index >= branches.length - 1;
  }
}
