/** Conversations as files: out of this browser, and back into it. */

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
   * Takes conversations over from a file. Those that are here already get what they lack; nothing here is lost.
   * @param {Blob} file
   * @returns {Promise<{ ids: string[], message: string }>} what was taken over, and what to say of it
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
