/** Opens, starts, renames and deletes conversations. */

import { conversationInAddress, pushEmptyAddress, replaceAddress } from "../browser/address.js";
import { removeDrafts } from "../storage/draft.js";
import { deleteLegacyConversation, readLegacyConversation } from "../storage/legacy_conversation.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../storage/database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../ui/notices.js").Notices} Notices */
/** @typedef {import("../ui/undo.js").Undo} Undo */

export class ConversationActions {
  #store;
  #chat;
  #notices;
  #undo;

  /**
   * @param {ConversationStore} store
   * @param {Chat} chat
   * @param {Notices} notices
   * @param {Undo} undo
   */
  constructor(store, chat, notices, undo) {
    this.#store = store;
    this.#chat = chat;
    this.#notices = notices;
    this.#undo = undo;
    addEventListener("hashchange", () => void this.openFromAddress());
  }

  /**
   * Opens the store, then shows the conversation in the address.
   * @param {Database | null} database
   */
  async open(database) {
    await this.#store.open(database);
    const legacy = readLegacyConversation();
    if (legacy) {
      await this.#store.add([legacy]);
      const isPending = legacy.exchanges.some((exchange) => this.#store.hasPendingWrite(exchange));
      // each reading gives it new ids, so it must not be read again
      if (!isPending || this.#store.backUp()) deleteLegacyConversation();
      if (!conversationInAddress()) replaceAddress(legacy.id);
    }
    // the reader may have asked a question before the database was open
    if (this.#chat.conversation.isEmpty) await this.openFromAddress();
  }

  /** Repeats what `open` could not do. Call when a database that did not open may be open. */
  async reopen() {
    await this.#store.reopen();
    if (!this.#chat.conversation.isEmpty) await this.#chat.refresh(this.#chat.conversation.id);
    else if (conversationInAddress()) await this.openFromAddress();
  }

  /** Shows the conversation in the address, or a new one. */
  async openFromAddress() {
    const id = conversationInAddress();
    if (id === this.#chat.conversation.id) return;
    const conversation = id ? await this.#store.load(id) : null;
    if (conversationInAddress() !== id) return; // the address has changed in the meantime
    if (conversation === null && id) {
      this.#notices.show("conversationMissing");
      replaceAddress(null);
    }
    this.#chat.show(conversation ?? undefined);
  }

  /** Starts a new conversation. */
  startNew() {
    pushEmptyAddress();
    this.#chat.show();
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    void this.#store.rename(id, title);
  }

  /** Deletes a conversation, and offers to undo that. @param {string} id */
  async delete(id) {
    const wasShown = this.#chat.conversation.id === id;
    await this.#chat.settle(id);
    const conversation = await this.#store.delete(id);
    if (!conversation) return; // the store has reported the failure
    if (wasShown) this.#showNew();
    const restoreDrafts = removeDrafts(conversation);
    this.#undo.offer("conversationDeleted", async () => {
      restoreDrafts();
      await this.#store.add([conversation]);
      if (!wasShown || !this.#chat.conversation.isEmpty) return;
      replaceAddress(id);
      await this.openFromAddress();
    });
  }

  /** Deletes an exchange of the shown conversation, and offers to undo that. @param {Exchange} exchange */
  deleteExchange(exchange) {
    const { conversation } = this.#chat;
    if (conversation.exchanges.length === 1) void this.delete(conversation.id);
    else this.#undo.offer("exchangeDeleted", this.#chat.delete(exchange));
  }

  /** Reacts to the deletion of a conversation in another tab. @param {string} id */
  deletedElsewhere(id) {
    this.#chat.forget(id);
    const { conversation } = this.#chat;
    if (conversation.id !== id) return;
    this.#notices.show("deletedElsewhere");
    this.#showNew();
    removeDrafts(conversation);
  }

  #showNew() {
    replaceAddress(null);
    this.#chat.show();
  }
}
