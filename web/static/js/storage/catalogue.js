/** The records of all conversations, and which of them are in the database. */

import { askedAt } from "../conversation/conversation.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */

export class Catalogue {
  /** @type {Map<string, ConversationRecord>} */
  #records = new Map();
  /** @type {Set<string>} */
  #written = new Set();

  /** @returns {ConversationRecord[]} most recently asked first */
  get list() {
    return [...this.#records.values()].sort((one, other) => askedAt(other) - askedAt(one));
  }

  /** @param {string} id */
  record(id) {
    return this.#records.get(id);
  }

  /** @param {string} id */
  isWritten(id) {
    return this.#written.has(id);
  }

  /** @param {ConversationRecord} record not written yet */
  add(record) {
    this.#records.set(record.id, record);
  }

  /** @param {ConversationRecord} record as it is in the database */
  addWritten(record) {
    this.add(record);
    this.#written.add(record.id);
  }

  /** @param {string} id */
  remove(id) {
    this.#records.delete(id);
    this.#written.delete(id);
  }
}
