/** Changes of records, until the database has them: it may have no room at first. Those that it has refused outlive the page. */

import { backUpChanges, deleteBackedUpChanges } from "./record_backup.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").RecordChanges} Changes */

export class RecordChanges {
  #events;
  /** By the id of the conversation. @type {Map<string, Changes>} */
  #waiting = new Map();

  /**
   * @param {object} events
   * @param {(id: string, changes: Changes) => Promise<ConversationRecord | undefined>} events.write returns undefined if it failed
   * @param {() => boolean} events.canBackUp whether a later page will find the conversations
   */
  constructor(events) {
    this.#events = events;
  }

  /** @param {string} id */
  has(id) {
    return this.#waiting.has(id);
  }

  /** @returns {string[]} the ids of the conversations whose records are to be changed */
  get ids() {
    return [...this.#waiting.keys()];
  }

  /**
   * Changes a record in the database, also by what it has refused before.
   * @param {string} id
   * @param {Changes} [changes]
   * @returns {Promise<ConversationRecord | undefined>} the stored record; undefined if the changes wait for the next call
   */
  async store(id, changes) {
    const all = { ...this.#waiting.get(id), ...changes };
    this.#waiting.set(id, all);
    const stored = await this.#events.write(id, all);
    if (stored && this.#waiting.get(id) === all) {
      this.#waiting.delete(id);
      deleteBackedUpChanges(id, Object.keys(all));
    } else if (!stored && this.#waiting.has(id) && this.#events.canBackUp()) backUpChanges(id, all);
    return stored;
  }

  /**
   * @param {ConversationRecord} record as the database has it, or an older one
   * @returns {ConversationRecord} the same one, changed
   */
  applyTo(record) {
    return Object.assign(record, this.#waiting.get(record.id));
  }

  /** @param {string} id of a deleted conversation */
  drop(id) {
    this.#waiting.delete(id);
    deleteBackedUpChanges(id);
  }
}
