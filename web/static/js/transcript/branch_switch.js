/** Switches between branches: "‹ 2 / 3 ›". Hidden if there is only one. */

import { iconButton } from "../ui/button.js";
import { setLabel, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} BranchChoice how the reader chose a branch
 * @property {import("../i18n/language.js").TextKey} name the name of the switch
 * @property {HTMLElement} button the pressed button, which will be removed
 * @property {number} step -1 or 1
 */

export class BranchSwitch {
  #position = document.createElement("span");
  #previousButton;
  #nextButton;
  /** @type {Exchange[]} */
  #branches = [];
  #index = 0;

  /**
   * @param {import("../i18n/language.js").TextKey} name the accessible name
   * @param {(exchange: Exchange, choice: BranchChoice) => void} choose
   */
  constructor(name, choose) {
    this.element = document.createElement("span");
    this.element.className = "branches";
    this.element.setAttribute("role", "group");
    setLabel(this.element, name);
    /** @param {number} step */
    const go = (step) => {
      const exchange = this.#branches[this.#index + step];
      if (exchange) choose(exchange, { name, step, button: step > 0 ? this.#nextButton : this.#previousButton });
    };
    this.#previousButton = iconButton("chevron-left", "versionBefore", "arrow", () => go(-1));
    this.#nextButton = iconButton("chevron-right", "versionAfter", "arrow", () => go(1));
    this.element.append(this.#previousButton, this.#position, this.#nextButton);
    this.show([], -1);
  }

  /** Which branch is shown, for screen readers. */
  get sentence() {
    return texts.versionShown(this.#index + 1, this.#branches.length);
  }

  /**
   * Focuses a button, after the switch of the previous branch was removed.
   * @param {number} step -1 or 1
   * @returns {HTMLElement} the focused button
   */
  focus(step) {
    const button = step > 0 ? this.#nextButton : this.#previousButton;
    button.focus({ preventScroll: true });
    return button;
  }

  /**
   * @param {Exchange[]} branches
   * @param {number} index of the shown branch
   */
  show(branches, index) {
    this.#branches = branches;
    this.#index = index;
    this.element.hidden = branches.length < 2;
    this.#position.textContent = `${index + 1} / ${branches.length}`;
    // not `disabled`: the one that was pressed keeps the focus, and does nothing at the end
    this.#previousButton.ariaDisabled = String(index <= 0);
    this.#nextButton.ariaDisabled = String(index >= branches.length - 1);
  }
}
