/**
 * What is to be written to the database: soon, in few writes, and held until the database has it. Where there is no
 * database, everything is here. What a page that is being left could not write, it leaves to the next one.
 */

import { newIdentifier } from "../conversation/identifier.js";
import { toExchange } from "./database.js";
import { deleteUnloadBackup, readUnloadBackups, saveUnloadBackup } from "./unload_backup.js";
import { PendingWrites } from "./pending_writes.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} QueueEvents
 * @property {(id: string) => boolean} isNew whether the database has never had this conversation
 * @property {(records: ConversationRecord[], deleted: string[]) => void} written what is there now, and which
 *   conversations another tab has deleted
 * @property {(record: ConversationRecord) => void} recovered an earlier page has left it, and it waits here
 * @property {(error: unknown) => void} failed nothing of it was written; it is tried again with the next
 */

const INTERVAL = 1000; // milliseconds between writes of a growing answer; a crash loses no more than this

export class WriteQueue {
  /** @type {Database | null} */
  database = null;
  #events;
  #pageId = newIdentifier();
  #waiting = new PendingWrites();
  /** On its way: it may not be there yet, and may come back. */
  #inFlight = new PendingWrites();
  #timer = 0;
  #lastWrite = -INTERVAL;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();

  /** @param {QueueEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * @param {ConversationRecord} record
   * @param {Exchange[]} exchanges are written as they are by then
   */
  add(record, exchanges) {
    this.#waiting.add(record, exchanges);
    const delay = Math.max(0, this.#lastWrite + INTERVAL - performance.now());
    this.#timer ||= setTimeout(() => void this.flush(), delay);
  }

  /** @param {string} exchange */
  has(exchange) {
    return this.#waiting.has(exchange) || this.#inFlight.has(exchange);
  }

  /** @param {string} conversation */
  record(conversation) {
    return this.#waiting.record(conversation) ?? this.#inFlight.record(conversation);
  }

  /** @param {string} conversation */
  exchangesOf(conversation) {
    return [...this.#inFlight.exchangesOf(conversation), ...this.#waiting.exchangesOf(conversation)];
  }

  get exchanges() {
    return [...this.#inFlight.exchanges, ...this.#waiting.exchanges];
  }

  /** @param {string} conversation */
  drop(conversation) {
    this.#waiting.drop(conversation);
  }

  /** @param {string} exchange */
  dropExchange(exchange) {
    this.#waiting.dropExchange(exchange);
  }

  /** Takes over what earlier pages have left: it is written or, where the database refuses, held here. */
  async recover() {
    const { database } = this;
    if (!database) return;
    /** @type {string[]} */
    const restored = [];
    for (const { pageId, backup } of readUnloadBackups()) {
      try {
        const { records, deleted } = await database.write(backup.writings, backup.exchanges);
        deleteUnloadBackup(pageId);
        this.#events.written(records, deleted);
      } catch (error) {
        this.#events.failed(error);
        this.#restore(backup);
        restored.push(pageId);
      }
    }
    if (restored.length > 0 && this.#backUp()) restored.forEach(deleteUnloadBackup);
  }

  /** Writes now. @returns {Promise<void>} fulfilled also where the database refuses */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#lastWrite = performance.now();
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** The page goes away: leaves what is not written to the next one. */
  backUpBeforeUnload() {
    if (!this.database || (this.#waiting.isEmpty && this.#inFlight.isEmpty)) return;
    this.#waiting.restore(this.#inFlight); // it may be cut off on its way; written twice it is the same
    this.#backUp();
    void this.flush(); // the browser may let it finish
  }

  /** @returns {boolean} whether what waits is safe from now on, however this page ends */
  #backUp() {
    return saveUnloadBackup(this.#pageId, { writings: this.#writings(), exchanges: this.#waiting.exchanges });
  }

  /** @param {import("./unload_backup.js").Backup} backup */
  #restore({ writings, exchanges }) {
    for (const { record, isNew } of writings) {
      if (!isNew && this.#events.isNew(record.id)) continue; // another tab has deleted it
      this.#events.recovered(record);
      this.add(record, exchanges.filter(({ conversation }) => conversation === record.id).map(toExchange));
    }
  }

  async #write() {
    if (!this.database || this.#waiting.isEmpty) return;
    const writings = this.#writings();
    this.#inFlight = this.#waiting;
    this.#waiting = new PendingWrites();
    try {
      const { records, deleted } = await this.database.write(writings, this.#inFlight.exchanges);
      this.#inFlight = new PendingWrites();
      deleteUnloadBackup(this.#pageId);
      this.#events.written(records, deleted);
    } catch (error) {
      this.#waiting.restore(this.#inFlight);
      this.#inFlight = new PendingWrites();
      this.#events.failed(error);
    }
  }

  #writings() {
    return this.#waiting.records.map((record) => ({ record, isNew: this.#events.isNew(record.id) }));
  }
}
