/** The content of the sidebar: search, list of conversations, import and export. */

import { ConversationList } from "./conversation_list.js";
import { ConversationSearch } from "./conversation_search.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("../chat/chat.js").Chat} Chat */
/** @typedef {import("../files/conversation_files.js").ConversationFiles} ConversationFiles */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../chat/conversation_actions.js").ConversationActions} ConversationActions */
/** @typedef {import("../storage/search_query.js").SearchHit} SearchHit */

export class ConversationPanel {
  #chat;
  #store;
  #emptyNote;
  #list;
  #search;
  #showHit;

  /**
   * @param {HTMLElement} element
   * @param {{ chat: Chat, store: ConversationStore, conversations: ConversationActions, loadFiles: () => Promise<ConversationFiles> }} parts
   * @param {(text: string) => void} announce
   * @param {(conversation: string, hit: SearchHit | null) => void} showHit shows a result of the search in its conversation
   */
  constructor(element, { chat, store, conversations, loadFiles }, announce, showHit) {
    this.#showHit = showHit;
    this.#chat = chat;
    this.#store = store;
    /** @template {Element} T @param {string} selector @returns {T} */
    const find = (selector) => /** @type {T} */ (element.querySelector(selector));
    /** @type {HTMLElement} */
    const importResult = find(".import-result");
    /** @param {(files: ConversationFiles) => Promise<void>} work */
    const withFiles = async (work) => {
      let files;
      try {
        files = await loadFiles();
      } catch {
        return announce((importResult.textContent = texts.partNotLoaded)); // offline, or after a deploy
      }
      await work(files);
    };
    this.#emptyNote = /** @type {HTMLElement} */ (find(".list-empty"));
    this.#search = new ConversationSearch(find("input[type=search]"), find(".search-result"), {
      search: (text) => store.search(text),
      found: () => this.show(),
      announce,
    });
    this.#list = new ConversationList(find("nav"), {
      open: (id) => {
        conversations.open(id);
        this.#showHit(id, this.#search.hit(id));
      },
      rename: (id, title) => conversations.rename(id, title),
      exportMarkdown: (id) => void withFiles((files) => files.exportMarkdown(id)),
      exportJson: (id) => void withFiles((files) => files.exportJson(id)),
      delete: (id) => {
        if (!this.#list.focusNeighbour(id)) this.#search.focus();
        void conversations.delete(id);
      },
    });
    /** @type {HTMLInputElement} */
    const file = find("input[type=file]");
    find("button.import").addEventListener("click", () => file.click());
    find("button.export-all").addEventListener("click", () => void withFiles((files) => files.exportAll()));
    file.addEventListener("change", async () => {
      const [chosen] = file.files ?? [];
      file.value = ""; // otherwise choosing the same file again fires no event
      if (!chosen) return;
      await withFiles(async (files) => {
        const result = await files.import(chosen);
        importResult.textContent = result.message;
        announce(result.message);
        for (const id of result.ids) void chat.refresh(id);
      });
    });
  }

  /** Updates the list. */
  show() {
    const records = this.#store.list;
    const isRunning = (/** @type {string} */ id) => this.#chat.isRunning(id);
    this.#emptyNote.hidden = records.length > 0 || !this.#store.isOpened;
    const snippet = (/** @type {string} */ id) => this.#search.hit(id)?.snippet ?? "";
    this.#list.show({ records: this.#search.filter(records), current: this.#chat.conversation.id, isRunning, snippet });
  }

  focusSearch() {
    this.#search.focus();
  }
}
