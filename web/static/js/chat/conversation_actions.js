/** Opens, starts, renames and deletes conversations, and offers to undo what the reader has thrown away. */

import { conversationInAddress, pushAddress, pushEmptyAddress, replaceAddress } from "../browser/address.js";
import { Conversation } from "../conversation/conversation.js";
import { removeDrafts } from "../storage/draft.js";
import { holdImages } from "../storage/image_hold.js";
import { readDraftTuning } from "../storage/draft_tuning.js";
import { storageName } from "../browser/page_root.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../storage/database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../ui/notices.js").Notices} Notices */
/** @typedef {import("../ui/undo.js").Undo} Undo */

/**
 * @typedef {object} ShownDraft the unsent message of the shown conversation
 * @property {() => void} save
 * @property {(replacement: Conversation) => (() => boolean) | null} move to another conversation; returns what removes it
 *   there unless it was changed since, or null if there is none
 */

export class ConversationActions {
  #store;
  #chat;
  #notices;
  #undo;
  #draft;
  /** Gives a draft back to a conversation that another tab has deleted. @type {{ id: string, give: () => void } | null} */
  #moved = null;
  /** Titles that were being typed when other tabs deleted their conversations, by the ids of these. @type {Map<string, string>} */
  #titles = new Map();

  /**
   * @param {ConversationStore} store
   * @param {Chat} chat
   * @param {Notices} notices
   * @param {Undo} undo
   * @param {ShownDraft} draft
   * @param {(open: () => void) => void} returned called after Back and Forward, with what shows the conversation there
   */
  constructor(store, chat, notices, undo, draft, returned) {
    this.#store = store;
    this.#chat = chat;
    this.#notices = notices;
    this.#undo = undo;
    this.#draft = draft;
    // `popstate` comes first; `hashchange` is for browsers that fire no `popstate` when a link changes the fragment
    for (const event of ["popstate", "hashchange"]) addEventListener(event, () => returned(() => this.#openFromAddress()));
  }

  /** Shows the conversation in the address, or a new one. Call once, before the store is open. */
  start() {
    const id = conversationInAddress();
    if (id) this.#chat.open(id);
    else this.#chat.show();
  }

  /**
   * Opens the store.
   * @param {Database | null} database null if its library is missing; call again once it is there
   */
  async openStore(database) {
    const isLate = this.#store.isOpened;
    await this.#store.open(database);
    if (isLate) await this.#refreshShown();
    void this.#chat.answers.elsewhere.followRecent(this.#chat.conversation.id);
    if (!["left", "conversation.1"].some(isStored)) return;
    const part = await import("./earlier_pages.js").catch(() => null); // then a later page does it
    await part?.takeOver(this.#store, this.#chat);
  }

  /** Repeats what `openStore` could not do. Call when a database that did not open may be open. */
  async reopenStore() {
    await this.#store.reopen();
    await this.#refreshShown();
  }

  /**
   * Shows a conversation of the list at once: what the reader does next must not reach the previous one.
   * @param {string} id
   */
  open(id) {
    pushAddress(id);
    this.#openFromAddress();
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
    if (this.#store.record(id)) void this.#store.rename(id, title);
    else this.#titles.set(id, title);
  }

  /**
   * @param {string} id
   * @param {boolean} isPinned
   */
  pin(id, isPinned) {
    void this.#store.pin(id, isPinned);
  }

  /** Deletes a conversation, and offers to undo that. @param {string} id */
  async delete(id) {
    holdImages();
    const wasShown = this.#chat.conversation.id === id;
    if (wasShown) this.#showNew(); // at once: what the reader does next must not reach the deleted one
    await this.#chat.answers.settle(id);
    const conversation = await this.#store.delete(id);
    if (!conversation) return; // the store has reported the failure
    this.#chat.forget(id);
    for (const exchange of conversation.exchanges) this.#chat.answers.discard(exchange); // as far as no page receives them
    if (this.#chat.conversation.id === id) this.#showNew(); // opened again before it was deleted
    const restoreDrafts = removeDrafts(conversation);
    this.#undo.offer("conversationDeleted", async () => {
      restoreDrafts();
      this.#notices.hide("conversationMissing");
      if (wasShown && this.#chat.conversation.isEmpty) {
        replaceAddress(id);
        this.#chat.show(conversation);
      }
      await this.#store.add([conversation]);
    });
  }

  /** Deletes an exchange of the shown conversation, and offers to undo that. @param {Exchange} exchange */
  deleteExchange(exchange) {
    const { conversation } = this.#chat;
    if (conversation.exchanges.length === 1) return void this.delete(conversation.id);
    holdImages();
    const { questions, answers } = conversation.versionsOf(exchange);
    const isVersion = questions.length > 1 || answers.length > 1;
    this.#undo.offer(isVersion ? "versionDeleted" : "exchangeDeleted", this.#chat.delete(exchange));
  }

  /**
   * Offers to bring back changes to a question of the shown conversation. If there are others meanwhile, they are offered
   * next.
   * @param {"editCancelled" | "editReplaced"} key
   * @param {Exchange} exchange
   * @param {string} question as it was edited
   * @param {(question: string) => string} reopen opens its editor; returns the unsent changes that it replaces, if any
   */
  offerEdit(key, exchange, question, reopen) {
    const { id } = this.#chat.conversation;
    this.#store.tellTabs(id); // they may show the edit as well
    this.#undo.offer(key, () => {
      if (this.#chat.conversation.id === id) this.#chat.reveal(exchange.id); // another version may be shown
      const replaced = reopen(question);
      if (this.#chat.conversation.id !== id) this.open(id); // there is the editor
      if (replaced) this.offerEdit("editReplaced", exchange, replaced, reopen);
    });
  }

  /**
   * Offers to type on what a dialog could not keep.
   * @param {"instructionsNotKept" | "temperatureNotKept"} key
   * @param {Conversation} conversation
   * @param {() => Promise<void>} reopen opens the dialog for the shown conversation
   */
  offerTuning(key, conversation, reopen) {
    this.#undo.offer(key, () => {
      const { conversation: shown } = this.#chat;
      if (conversation.isEmpty && !shown.isEmpty) this.startNew();
      else if (shown.id !== conversation.id && this.#store.record(conversation.id)) this.open(conversation.id); // otherwise deleted
      return reopen();
    });
  }

  /**
   * Reacts to the deletion of a conversation in another tab. What was being written in it becomes the draft of a new one.
   * @param {string} id
   */
  deletedElsewhere(id) {
    this.#chat.forget(id);
    const { conversation } = this.#chat;
    if (conversation.id !== id) return;
    const { tuning } = this.#chat;
    this.#draft.save();
    const restoreDrafts = removeDrafts(conversation);
    const replacement = new Conversation();
    this.#notices.show("deletedElsewhere", { of: replacement.id });
    const takeBack = this.#draft.move(replacement);
    const before = readDraftTuning();
    if (takeBack) this.#chat.retune(tuning, replacement);
    replaceAddress(null);
    this.#chat.show(replacement);
    this.#moved = { id, give: () => {
      this.#notices.hide("deletedElsewhere");
      if (!takeBack?.()) return;
      restoreDrafts();
      this.#chat.retune(before, replacement);
      this.#chat.show(replacement);
    } };
  }

  /** Reacts to a change in another tab, which may have undone the deletion of a conversation. @param {string} id */
  changedElsewhere(id) {
    const title = this.#titles.get(id);
    if (title) void this.#store.rename(id, title);
    this.#titles.delete(id);
    if (this.#moved?.id !== id) return;
    this.#moved.give();
    this.#moved = null;
  }

  #openFromAddress() {
    const id = conversationInAddress();
    const { conversation } = this.#chat;
    if (id === null) {
      if (!conversation.isEmpty) this.#chat.show();
    } else if (id !== conversation.id || conversation.contents === "unread") this.#chat.open(id);
  }

  async #refreshShown() {
    if (!this.#chat.conversation.isEmpty) await this.#chat.refresh(this.#chat.conversation.id);
  }

  #showNew() {
    replaceAddress(null);
    this.#chat.show();
  }
}

/** @param {string} name the key of `legacy_conversation.js` or `record_backup.js` */
function isStored(name) {
  try {
    return localStorage.getItem(storageName(name)) !== null;
  } catch {
    return false; // turned off
  }
}
