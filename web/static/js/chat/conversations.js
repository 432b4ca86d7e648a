/** What the reader does with conversations as wholes: opens them, begins new ones, renames and deletes them. */

import { addressed, leaveAddress, nameInAddress } from "../browser/address.js";
import { takeDrafts } from "../storage/draft.js";
import { dropFormerConversation, readFormerConversation } from "../storage/former_conversation.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../storage/database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../ui/notices.js").Notices} Notices */
/** @typedef {import("../ui/undo.js").Undo} Undo */

export class Conversations {
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
    addEventListener("hashchange", () => void this.openAddressed());
  }

  /**
   * Opens the store, and shows the conversation that the address names.
   * @param {Database | null} database
   */
  async open(database) {
    await this.#store.open(database);
    const former = readFormerConversation();
    if (former) {
      await this.#store.add([former]);
      if (!former.exchanges.some((exchange) => this.#store.isUnwritten(exchange))) dropFormerConversation();
      if (!addressed()) nameInAddress(former.id);
    }
    // the reader may have been quicker than the database
    if (this.#chat.conversation.empty) await this.openAddressed();
  }

  /** Shows the conversation that the address names, or a new one. */
  async openAddressed() {
    const id = addressed();
    if (id === this.#chat.conversation.id) return;
    const conversation = id ? await this.#store.load(id) : null;
    if (addressed() !== id) return; // the reader has gone on meanwhile
    if (conversation === null && id) {
      this.#notices.show("conversationMissing");
      nameInAddress(null);
    }
    this.#chat.show(conversation ?? undefined);
  }

  /** Begins a new one. */
  renew() {
    leaveAddress();
    this.#chat.show();
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    void this.#store.rename(id, title);
  }

  /** Deletes one, and offers to bring it back. @param {string} id */
  async delete(id) {
    const wasShown = this.#chat.conversation.id === id;
    await this.#chat.settle(id);
    const conversation = await this.#store.delete(id);
    if (!conversation) return; // the store has said that the browser refuses
    if (wasShown) this.#leave();
    const restoreDrafts = takeDrafts(conversation);
    this.#undo.offer("conversationDeleted", async () => {
      restoreDrafts();
      await this.#store.add([conversation]);
      if (!wasShown || !this.#chat.conversation.empty) return;
      nameInAddress(id);
      await this.openAddressed();
    });
  }

  /** Deletes one exchange of the shown one, and offers to bring it back. @param {Exchange} exchange */
  deleteExchange(exchange) {
    const { conversation } = this.#chat;
    if (conversation.exchanges.length === 1) void this.delete(conversation.id);
    else this.#undo.offer("exchangeDeleted", this.#chat.delete(exchange));
  }

  /** Another tab has deleted one. @param {string} id */
  deletedElsewhere(id) {
    this.#chat.forget(id);
    const { conversation } = this.#chat;
    if (conversation.id !== id) return;
    this.#notices.show("deletedElsewhere");
    this.#leave();
    takeDrafts(conversation);
  }

  #leave() {
    nameInAddress(null);
    this.#chat.show();
  }
}
