/** The model's name below the message box. Where the operator allows several models, it is the choice of one. */

/** @typedef {import("../settings/settings.js").Settings} Settings */
/** @typedef {import("../api/configuration.js").Configuration} Configuration */

export class ModelChoice {
  #settings;
  #name;
  #select;
  #default = "";

  /**
   * @param {HTMLElement} name shows the only model
   * @param {HTMLSelectElement} select
   * @param {Settings} settings
   */
  constructor(name, select, settings) {
    this.#settings = settings;
    this.#name = name;
    this.#select = select;
    select.addEventListener("change", () => settings.change("model", select.value));
    settings.onChange(() => this.#show());
  }

  /** @param {Configuration} configuration */
  configure({ model, models }) {
    this.#default = model;
    this.#select.replaceChildren(...models.map((each) => new Option(each, each)));
    this.#name.textContent = model;
    const isChoice = models.length > 1;
    this.#name.hidden = isChoice || model === "";
    /** @type {HTMLElement} */ (this.#select.closest(".model-choice")).hidden = !isChoice;
    this.#show();
  }

  /** Opens the list of models, where there is a choice. Call on a click of the reader's. */
  open() {
    this.#select.focus();
    this.#select.showPicker?.(); // otherwise the reader opens it
  }

  #show() {
    this.#select.value = this.#settings.values.model;
    if (this.#select.selectedIndex < 0) this.#select.value = this.#default; // the chosen model is no longer allowed
  }
}
