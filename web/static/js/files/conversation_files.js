/** Exports conversations as files, and imports them. */

import { ArchiveError, readArchive, writeArchive } from "./archive.js";
import { markdownOf } from "./conversation_markdown.js";
import { download } from "../browser/download.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */

export class ConversationFiles {
  #store;

  /** @param {ConversationStore} store */
  constructor(store) {
    this.#store = store;
  }

  /** @param {string} id */
  async exportMarkdown(id) {
    const conversation = await this.#store.load(id);
    if (conversation) download(conversation.record.title, "md", markdownOf(conversation));
  }

  /** @param {string} id */
  async exportJson(id) {
    const conversation = await this.#store.load(id);
    if (conversation) download(conversation.record.title, "json", writeArchive([conversation]));
  }

  async exportAll() {
    const all = await Promise.all(this.#store.list.map(({ id }) => this.#store.load(id)));
    const day = new Date().toISOString().slice(0, 10);
    download(`sluice ${day}`, "json", writeArchive(all.flatMap((conversation) => conversation ?? [])));
  }

  /**
   * Imports conversations. Present ones get missing and newer exchanges; nothing is removed.
   * @param {Blob} file
   * @returns {Promise<{ ids: string[], message: string }>} the imported ids, and a message for the reader
   */
  async import(file) {
    try {
      const conversations = await readArchive(file);
      await this.#store.add(conversations);
      return { ids: conversations.map(({ id }) => id), message: texts.imported(conversations.length) };
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      return { ids: [], message: texts[error.problem] };
    }
  }
}
