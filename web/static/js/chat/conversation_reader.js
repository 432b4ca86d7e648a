/** Reads the exchanges of conversations that were chosen already. */

import { Conversation } from "../conversation/conversation.js";

/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */

/**
 * @callback ReadingEnded
 * @param {Conversation} conversation its `contents` tell whether it was read
 * @param {boolean} isMissing whether this browser does not have it
 * @returns {void}
 */

export class ConversationReader {
  #store;
  #ended;
  /** @type {Map<string, { conversation: Conversation, end: Promise<void> }>} */
  #readings = new Map();

  /**
   * @param {ConversationStore} store
   * @param {ReadingEnded} ended
   */
  constructor(store, ended) {
    this.#store = store;
    this.#ended = ended;
  }

  /** @param {string} id @returns {Conversation | undefined} the conversation if it is being read */
  conversation(id) {
    return this.#readings.get(id)?.conversation;
  }

  /** @param {string} id @returns {Promise<void>} fulfilled when the conversation is not being read */
  async wait(id) {
    await this.#readings.get(id)?.end;
  }

  /** @param {Conversation} conversation an unread one */
  start(conversation) {
    conversation.contents = "reading";
    this.#readings.set(conversation.id, { conversation, end: this.#read(conversation) });
  }

  /** Ignores what is being read of a conversation, because it was deleted. @param {string} id */
  forget(id) {
    this.#readings.delete(id);
  }

  /** @param {Conversation} conversation */
  async #read(conversation) {
    const { id } = conversation;
    /** @type {Conversation | null | undefined} */
    let stored;
    try {
      stored = await this.#store.load(id);
    } finally {
      const isWanted = this.conversation(id) === conversation;
      if (isWanted) this.#readings.delete(id);
      if (isWanted && stored) conversation.fill(stored);
      else conversation.contents = "unread";
      this.#ended(conversation, stored === null);
    }
  }
}
