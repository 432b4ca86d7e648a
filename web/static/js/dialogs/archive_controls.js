/** Import and export of all conversations, in the settings. What the reader does not wait for is reported by a notice. */

import { texts } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";
import { missingPart } from "../ui/part_loader.js";

/** @typedef {import("../files/conversation_files.js").ConversationFiles} ConversationFiles */
/** @typedef {(work: (files: ConversationFiles) => Promise<void>) => Promise<boolean>} UseFiles */

export class ArchiveControls {
  #element;
  #useFiles;
  #notices;
  #announce;
  #result;
  #buttons;
  #isBusy = false;

  /**
   * @param {HTMLDialogElement} element
   * @param {UseFiles} useFiles resolves to false if the module could not be loaded
   * @param {import("../ui/notices.js").Notices} notices
   * @param {object} events
   * @param {(id: string) => void} events.imported called for each imported conversation
   * @param {(text: string) => void} events.announce for screen readers
   */
  constructor(element, useFiles, notices, { imported, announce }) {
    /** @template {Element} T @param {string} selector @returns {T} */
    const find = (selector) => /** @type {T} */ (element.querySelector(selector));
    this.#element = element;
    this.#useFiles = useFiles;
    this.#notices = notices;
    this.#announce = announce;
    /** @type {HTMLElement} */
    this.#result = find(".import-result");
    /** @type {HTMLInputElement} */
    const file = find("input[type=file]");
    /** @type {HTMLElement} */
    const importButton = find("button.import");
    /** @type {HTMLElement} */
    const exportButton = find("button.export-all");
    this.#buttons = [importButton, exportButton];
    importButton.addEventListener("click", () => this.#isBusy || file.click());
    exportButton.addEventListener("click", () => void this.#run("exporting", (files) => files.exportAll()));
    element.addEventListener("beforetoggle", ({ newState }) => {
      if (newState === "open" && !this.#isBusy) this.#show("");
    });
    file.addEventListener("change", () => {
      const [chosen] = file.files ?? [];
      file.value = ""; // otherwise choosing the same file again fires no event
      if (!chosen) return;
      void this.#run("importing", async (files) => {
        const { ids, message } = await files.import(chosen, (sentence) => this.#showProgress(sentence));
        ids.forEach(imported);
        return message;
      });
    });
  }

  /**
   * Does something that may take a while, unless another such thing is being done.
   * @param {"importing" | "exporting"} word
   * @param {(files: ConversationFiles) => Promise<string>} work returns a message for the reader
   */
  async #run(word, work) {
    if (this.#isBusy) return;
    this.#setBusy(true);
    this.#notices.hide("importing", "exporting"); // shown again, it is announced again
    this.#show(texts[word]);
    let message = "";
    let isLoaded = true;
    try {
      isLoaded = await this.#useFiles(async (files) => void (message = await work(files)));
    } finally {
      this.#setBusy(false);
      if (isLoaded) this.#report(word, message);
      else this.#show(texts[missingPart()]); // there is a notice of it, too
    }
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    for (const button of this.#buttons) button.ariaDisabled = String(isBusy); // disabled, it would lose the focus
  }

  /**
   * @param {"importing" | "exporting"} word
   * @param {string} message empty if there is nothing to say
   */
  #report(word, message) {
    const isSeen = this.#element.open;
    this.#show(isSeen ? message : "");
    if (!message) return;
    if (isSeen) this.#announce(message);
    else this.#notices.show(word, { isUrgent: false, fill: (sentence) => void (sentence.textContent = message) });
  }

  /** @param {string} sentence not read aloud: there may be many in a row */
  #showProgress(sentence) {
    this.#result.ariaLive = "off";
    this.#result.textContent = sentence;
  }

  /** @param {string} text */
  #show(text) {
    this.#result.ariaLive = "polite";
    this.#result.textContent = text;
    if (text && this.#element.open) bringIntoView(this.#result);
  }
}
