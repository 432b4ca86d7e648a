/** The settings dialog. Each change applies at once. */

import { bringIntoView } from "../ui/in_view.js";
import { Dialog } from "../ui/dialog.js";
import { onLanguageChange, texts } from "../i18n/language.js";

/** @typedef {import("../settings/settings.js").Settings} Settings */
/** @typedef {import("../settings/settings.js").SettingValues} SettingValues */
/** @typedef {import("../api/configuration.js").Configuration} Configuration */

export class SettingsDialog extends Dialog {
  #settings;
  #element;
  #form;
  #problem;
  /** @type {Configuration["mode"]} */
  #defaultMode = "stream";
  /** What "All at once" costs, where other answers are kept. @type {HTMLElement} */
  #modeHelp;
  #isResumable = false;

  /**
   * @param {HTMLDialogElement} element
   * @param {Settings} settings
   */
  constructor(element, settings) {
    super(element);
    this.#settings = settings;
    this.#element = element;
    this.#form = /** @type {HTMLFormElement} */ (element.querySelector("form"));
    this.#problem = /** @type {HTMLElement} */ (element.querySelector(".problem"));
    this.#modeHelp = /** @type {HTMLElement} */ (element.querySelector(".help"));
    this.#form.addEventListener("change", (event) => this.#choose(event.target));
    settings.onChange(() => this.#show());
    onLanguageChange(() => this.#show());
    this.#show();
  }

  /** @param {Configuration} configuration the defaults */
  configure({ mode, isResumable }) {
    this.#defaultMode = mode;
    this.#isResumable = isResumable;
    this.#show();
  }

  /** @param {EventTarget | null} control */
  #choose(control) {
    if (!(control instanceof HTMLInputElement) || control.type !== "radio") return;
    const name = /** @type {keyof SettingValues} */ (control.name);
    const before = this.#answers;
    const { top } = control.getBoundingClientRect();
    this.#settings.change(name, /** @type {any} the template offers the values of the type */ (control.value));
    // with another size or language, all that is above it has another height
    this.#element.scrollTop += control.getBoundingClientRect().top - top;
    bringIntoView(control.labels?.[0] ?? control);
    for (const answer of this.#answers) if (!before.includes(answer)) bringIntoView(answer);
  }

  /** What the dialog says to the choices. */
  get #answers() {
    return [this.#modeHelp, this.#problem].filter((each) => !each.hidden && each.textContent);
  }

  #show() {
    const { mode, theme, language, textSize } = this.#settings.values;
    this.#select("mode", mode || this.#defaultMode);
    this.#modeHelp.hidden = !this.#isResumable || (mode || this.#defaultMode) !== "block";
    this.#select("theme", theme);
    this.#select("language", language || texts.tag);
    this.#select("textSize", textSize);
    this.#problem.textContent = this.#settings.isSaved ? "" : texts.settingsNotSaved;
  }

  /**
   * @param {keyof SettingValues} name
   * @param {string} value
   */
  #select(name, value) {
    const radios = /** @type {RadioNodeList} */ (this.#form.elements.namedItem(name));
    radios.value = value;
  }
}
