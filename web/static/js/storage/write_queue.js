/**
 * Collects changes and writes them to the database in few writes. Changes stay here until the database has them. When
 * the page is unloaded, unwritten changes go into a backup for the next page.
 */

import { newIdentifier } from "../conversation/identifier.js";
import { toExchange } from "./database.js";
import { deleteUnloadBackup, readUnloadBackups, saveUnloadBackup } from "./unload_backup.js";
import { PendingWrites } from "./pending_writes.js";
import { StorageError } from "./storage_error.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} QueueEvents
 * @property {(id: string) => boolean} isNew whether the conversation was never in the database
 * @property {() => boolean} isListRead whether it is known which conversations are in the database
 * @property {(records: ConversationRecord[], deleted: string[]) => void} written the stored records, and the
 *   ids of conversations that another tab has deleted
 * @property {(record: ConversationRecord) => void} recovered a change from the backup of an earlier page is queued
 * @property {(error: unknown, ids: string[]) => void} failed nothing of these conversations was written; the next write
 *   includes it
 */

const INTERVAL = 1000; // milliseconds between writes of a growing answer: the most that a crash loses

export class WriteQueue {
  /** @type {Database | null} */
  database = null;
  #events;
  #pageId = newIdentifier();
  #waiting = new PendingWrites();
  /** Being written, in parts if there is no room for all; queued again if the write fails. @type {PendingWrites[]} */
  #inFlight = [];
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
   * @param {Exchange[]} exchanges written in their state at the time of the write
   */
  add(record, exchanges) {
    this.#waiting.add(record, exchanges);
    const delay = Math.max(0, this.#lastWrite + INTERVAL - performance.now());
    this.#timer ||= setTimeout(() => void this.flush(), delay);
  }

  /** Whether the database has all changes. */
  get isEmpty() {
    return this.#all.every((changes) => changes.isEmpty);
  }

  /** The oldest first. */
  get #all() {
    return [...this.#inFlight, this.#waiting];
  }

  /** @param {string} exchange */
  has(exchange) {
    return this.#all.some((changes) => changes.has(exchange));
  }

  /** @param {string} conversation */
  record(conversation) {
    return this.#all.findLast((changes) => changes.record(conversation))?.record(conversation);
  }

  /** @param {string} conversation */
  exchangesOf(conversation) {
    return this.#all.flatMap((changes) => changes.exchangesOf(conversation));
  }

  get exchanges() {
    return this.#all.flatMap((changes) => changes.exchanges);
  }

  /** @param {string} conversation that was deleted: if its write fails, it is not tried again */
  drop(conversation) {
    for (const changes of this.#all) changes.drop(conversation);
  }

  /** @param {string} exchange that was deleted */
  dropExchange(exchange) {
    for (const changes of this.#all) changes.dropExchange(exchange);
  }

  /** Writes the backups of earlier pages, or queues them if the database fails. */
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
        // another tab may have deleted a stored conversation: without the list, leave the backup to a later call
        const isLeft = !this.#events.isListRead() && backup.writings.some(({ isNew }) => !isNew);
        if (!isLeft) {
          this.#restore(backup);
          restored.push(pageId);
        }
        this.#events.failed(error, backup.writings.map(({ record }) => record.id));
      }
    }
    if (restored.length > 0 && this.backUp()) restored.forEach(deleteUnloadBackup);
  }

  /** Writes now. @returns {Promise<void>} fulfilled even if the database fails */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#lastWrite = performance.now();
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#write()); // also after a bug in a listener
    return this.#writing;
  }

  /** Backs up all unwritten changes. */
  backUpBeforeUnload() {
    if (!this.database || this.isEmpty) return;
    for (const part of this.#inFlight) this.#waiting.restore(part); // that write may be aborted; writing twice is harmless
    this.backUp();
    void this.flush(); // may still succeed
  }

  /** Backs up the queued changes. @returns {boolean} false if the browser refuses */
  backUp() {
    return saveUnloadBackup(this.#pageId, { writings: this.#writingsOf(this.#waiting), exchanges: this.#waiting.exchanges });
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
    const { database } = this;
    if (!database || this.#waiting.isEmpty) return;
    const all = this.#waiting;
    this.#inFlight = [all];
    this.#waiting = new PendingWrites();
    try {
      const error = await this.#tryToWrite(database, all);
      const isFull = error instanceof StorageError && error.reason === "full";
      if (isFull && all.records.length > 1) {
        const parts = (this.#inFlight = all.split()); // of several conversations, some may have room
        for (const part of [...parts]) this.#report(part, await this.#tryToWrite(database, part));
      } else this.#report(all, error);
      if (this.#inFlight.length === 0) deleteUnloadBackup(this.#pageId);
    } finally {
      for (const part of this.#inFlight) this.#waiting.restore(part);
      this.#inFlight = [];
    }
  }

  /**
   * @param {Database} database
   * @param {PendingWrites} changes being written
   * @returns {Promise<unknown>} the error if nothing was written
   */
  async #tryToWrite(database, changes) {
    if (changes.isEmpty) return undefined; // deleted meanwhile
    let written;
    try {
      written = await database.write(this.#writingsOf(changes), changes.exchanges);
    } catch (error) {
      return error;
    }
    this.#inFlight = this.#inFlight.filter((each) => each !== changes);
    this.#events.written(written.records, written.deleted);
    return undefined;
  }

  /**
   * @param {PendingWrites} changes
   * @param {unknown} error undefined if they were written
   */
  #report(changes, error) {
    if (error && !changes.isEmpty) this.#events.failed(error, changes.records.map(({ id }) => id));
  }

  /** @param {PendingWrites} changes */
  #writingsOf(changes) {
    return changes.records.map((record) => ({ record, isNew: this.#events.isNew(record.id) }));
  }
}
