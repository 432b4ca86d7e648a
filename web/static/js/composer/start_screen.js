/** What is shown before the first question, with suggested ones: the operator's, or the page's own. */

import { isDemo, root } from "../browser/page_root.js";
import { onLanguageChange, texts } from "../i18n/language.js";

/**
 * @typedef {import("../api/configuration.js").Starter} Starter
 * @typedef {import("../api/configuration.js").StartersByLanguage} StartersByLanguage
 */

export class StartScreen {
  #welcome;
  #section;
  #list;
  #choose;
  /** What has to be known before it is shown, so that nothing shifts later. */
  #missing = new Set(["configuration", "conversations"]);
  #isWanted = false;
  /** @type {StartersByLanguage} */
  #byLanguage = {};

  /**
   * @param {HTMLElement} welcome
   * @param {HTMLElement} section with the questions, hidden if there are none
   * @param {(prompt: string) => void} choose called with the chosen question
   */
  constructor(welcome, section, choose) {
    this.#welcome = welcome;
    this.#section = section;
    this.#list = /** @type {HTMLElement} */ (section.querySelector("ul"));
    this.#choose = choose;
    onLanguageChange(() => this.#showStarters());
  }

  /** @param {StartersByLanguage} starters from the operator */
  setStarters(starters) {
    this.#byLanguage = starters;
    this.#showStarters();
  }

  /** Shows it, once all of its content is known, or hides it. @param {boolean} isWanted */
  show(isWanted) {
    this.#isWanted = isWanted;
    root.classList.toggle("at-start", isWanted);
    this.#welcome.hidden = !isWanted || this.#missing.size > 0;
    this.#section.hidden = this.#welcome.hidden || this.#list.childElementCount === 0;
  }

  /** @param {"configuration" | "conversations"} part is known, or could not be read */
  know(part) {
    this.#missing.delete(part);
    this.show(this.#isWanted);
  }

  #showStarters() {
    const own = isDemo ? texts.demoStarters : texts.starters;
    const starters = this.#byLanguage[texts.tag === "en" ? "en" : "zh"] ?? own.map(toStarter);
    this.#list.replaceChildren(...starters.map((starter) => this.#item(starter)));
    this.show(this.#isWanted);
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
