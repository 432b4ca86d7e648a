/** The suggested questions of the start screen: the operator's, or the page's own. */

import { isDemo } from "../browser/page_root.js";
import { onLanguageChange, texts } from "../i18n/language.js";

/**
 * @typedef {import("../api/configuration.js").Starter} Starter
 * @typedef {import("../api/configuration.js").StartersByLanguage} StartersByLanguage
 */

export class Starters {
  #section;
  #list;
  #choose;
  #isHidden = true;
  /** @type {StartersByLanguage} */
  #byLanguage = {};

  /**
   * @param {HTMLElement} section hidden if there are no questions
   * @param {(prompt: string) => void} choose called with the chosen question
   */
  constructor(section, choose) {
    this.#section = section;
    this.#list = /** @type {HTMLElement} */ (section.querySelector("ul"));
    this.#choose = choose;
    onLanguageChange(() => this.#show());
  }

  /** @param {StartersByLanguage} starters from the operator */
  setStarters(starters) {
    this.#byLanguage = starters;
    this.#show();
  }

  /** @param {boolean} isHidden */
  set hidden(isHidden) {
    this.#isHidden = isHidden;
    this.#section.hidden = isHidden || this.#list.childElementCount === 0;
  }

  #show() {
    const own = isDemo ? texts.demoStarters : texts.starters;
    const starters = this.#byLanguage[texts.tag === "en" ? "en" : "zh"] ?? own.map(toStarter);
    this.#list.replaceChildren(...starters.map((starter) => this.#item(starter)));
    this.hidden = this.#isHidden;
  }

  /** @param {Starter} starter */
  #item({ prompt, label }) {
    const button = document.createElement("button");
    button.type = "button";
    if (label) {
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = label;
      button.append(kind);
    }
    const question = document.createElement("span");
    question.className = "prompt";
    question.textContent = prompt;
    question.dir = "auto";
    button.append(question);
    button.addEventListener("click", () => this.#choose(prompt));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }
}

/** @param {string[]} pair */
function toStarter([label = "", prompt = ""]) {
  return { label, prompt };
}
