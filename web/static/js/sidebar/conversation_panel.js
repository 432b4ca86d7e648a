/** The content of the sidebar: search, and the list of conversations. */

import { ConversationList } from "./conversation_list.js";
import { ConversationSearch } from "./conversation_search.js";

/** @typedef {import("../chat/chat.js").Chat} Chat */
/** @typedef {import("../dialogs/archive_controls.js").UseFiles} UseFiles */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../chat/conversation_actions.js").ConversationActions} ConversationActions */
/** @typedef {import("../storage/search_query.js").SearchHit} SearchHit */
/** @typedef {import("../ui/part_loader.js").PartLoader} PartLoader */

export class ConversationPanel {
  #chat;
  #store;
  #emptyNote;
  #list;
  #search;
  #showHit;

  /**
   * @param {HTMLElement} element
   * @param {{ chat: Chat, store: ConversationStore, conversations: ConversationActions, parts: PartLoader, useFiles: UseFiles }} of
   * @param {(text: string) => void} announce
   * @param {(conversation: string, hit: SearchHit | null, byMouse: boolean) => void} showHit shows a result of the search in
   *   its conversation
   * @param {() => void} searchEnded
   * @param {(action: () => void) => void} leave runs an action that shows another conversation, and moves the focus there
   */
  constructor(element, { chat, store, conversations, parts, useFiles }, announce, showHit, searchEnded, leave) {
    this.#showHit = showHit;
    this.#chat = chat;
    this.#store = store;
    /** @template {Element} T @param {string} selector @returns {T} */
    const find = (selector) => /** @type {T} */ (element.querySelector(selector));
    this.#emptyNote = /** @type {HTMLElement} */ (find(".list-empty"));
    this.#search = new ConversationSearch(find("input[type=search]"), find(".search-result"), {
      search: async (text) => {
        const part = await parts.load(() => import("../storage/search_query.js"));
        return part ? new part.SearchQuery(text).findIn(store) : new Map();
      },
      found: () => {
        this.show();
        if (!this.#search.query) searchEnded();
      },
      toResults: () => this.#list.focusFirst(),
      openFirst: () => this.#list.openFirst(),
      announce,
    });
    this.#list = new ConversationList(find("nav"), {
      open: (id, byMouse) => {
        conversations.open(id);
        this.#showHit(id, this.#search.hit(id), byMouse);
      },
      pin: (id, isPinned) => {
        const preventScroll = !document.activeElement?.matches(":focus-visible"); // by mouse: the next one to pin is near
        conversations.pin(id, isPinned);
        this.#list.focus(id, preventScroll); // it has moved to another group
      },
      leaveUpwards: () => this.#search.focus(),
      rename: (id, title) => conversations.rename(id, title),
      exportMarkdown: (id) => void useFiles((loaded) => loaded.exportMarkdown(id)),
      exportJson: (id) => void useFiles((loaded) => loaded.exportJson(id)),
      delete: (id, byPointer) => {
        if (byPointer && chat.conversation.id === id) return leave(() => void conversations.delete(id));
        if (!this.#list.focusNeighbour(id)) this.#search.focus();
        void conversations.delete(id);
      },
    });
  }

  /** Updates the list. */
  show() {
    const records = this.#store.list;
    const markOf = (/** @type {string} */ id) => this.#chat.markOf(id);
    this.#emptyNote.hidden = records.length > 0 || !this.#store.isOpened || this.#search.query !== "";
    const hit = (/** @type {string} */ id) => this.#search.hit(id);
    const found = this.#search.filter(records, (id) => this.#chat.isRunning(id));
    this.#list.show({ records: found, current: this.#chat.conversation.id, markOf, hit, query: this.#search.query });
  }

  /** Groups the list again if another day has begun. */
  regroup() {
    this.#list.regroup();
  }

  /** Searches again, as what is searched has changed. */
  searchLater() {
    this.#search.repeatLater();
  }

  focusSearch() {
    this.#search.focus();
  }
}
