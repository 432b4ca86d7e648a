/** Import and export of all conversations, in the settings. */

import { texts } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";
import { missingPart } from "../ui/part_loader.js";

/** @typedef {(work: (files: import("../files/conversation_files.js").ConversationFiles) => Promise<void>) => Promise<boolean>} UseFiles */

export class ArchiveControls {
  #result;

  /**
   * @param {HTMLElement} element
   * @param {UseFiles} useFiles resolves to false if the module could not be loaded
   * @param {object} events
   * @param {(id: string) => void} events.imported called for each imported conversation
   * @param {(text: string) => void} events.announce for screen readers
   */
  constructor(element, useFiles, { imported, announce }) {
    /** @template {Element} T @param {string} selector @returns {T} */
    const find = (selector) => /** @type {T} */ (element.querySelector(selector));
    /** @type {HTMLElement} */
    this.#result = find(".import-result");
    /** @type {HTMLInputElement} */
    const file = find("input[type=file]");
    find("button.import").addEventListener("click", () => file.click());
    find("button.export-all").addEventListener("click", async () => {
      const isLoaded = await useFiles(async (files) => {
        const message = await files.exportAll();
        this.#show(message);
        if (message) announce(message);
      });
      if (!isLoaded) this.#show(texts[missingPart()]);
    });
    element.addEventListener("beforetoggle", ({ newState }) => newState === "open" && this.#show(""));
    file.addEventListener("change", async () => {
      const [chosen] = file.files ?? [];
      file.value = ""; // otherwise choosing the same file again fires no event
      if (!chosen) return;
      const isLoaded = await useFiles(async (files) => {
        const result = await files.import(chosen);
        this.#show(result.message);
        announce(result.message);
        result.ids.forEach(imported);
      });
      if (!isLoaded) this.#show(texts[missingPart()]);
    });
  }

  /** @param {string} text */
  #show(text) {
    this.#result.textContent = text;
    if (text) bringIntoView(this.#result);
  }
}
