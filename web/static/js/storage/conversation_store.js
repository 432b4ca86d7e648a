/**
 * Keeps the conversations in this browser, and this tab in step with the others. What is to be stored is held here
 * until the database has it, so that where the database refuses, nothing is lost while the page lives.
 */

import { Catalogue } from "./catalogue.js";
import { Conversation } from "../conversation/conversation.js";
import { SearchQuery } from "./search_query.js";
import { StorageError } from "./storage_error.js";
import { TabChannel } from "./tab_channel.js";
import { WriteQueue } from "./write_queue.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./storage_error.js").StorageErrorReason} StorageErrorReason */

/**
 * @typedef {object} StoreEvents
 * @property {(reason: StorageErrorReason) => void} failed the browser keeps nothing, or not all
 * @property {() => void} saved all that was to be stored is stored
 * @property {() => void} listChanged the list of conversations is another
 * @property {(id: string) => void} changedElsewhere another tab has written to it
 * @property {(id: string) => void} deletedElsewhere
 */

export class ConversationStore {
  /** Null: everything is stored in memory only. @type {Database | null} */
  #database = null;
  #events;
  #tabs;
  #catalogue = new Catalogue();
  #queue;

  /** @param {StoreEvents} events */
  constructor(events) {
    this.#events = events;
    this.#tabs = new TabChannel((message) => void this.#receive(message));
    this.#queue = new WriteQueue({
      isNew: (id) => !this.#catalogue.isWritten(id),
      recovered: (record) => this.#catalogue.add(record),
      written: (records, deleted) => this.#onWritten(records, deleted),
      failed: (error) => this.#reportError(error),
    });
  }

  /**
   * Reads the list, and what earlier pages have left unwritten.
   * @param {Database | null} database null where its library is missing
   */
  async open(database) {
    this.#database = this.#queue.database = database;
    if (!database) return this.#events.failed("missing");
    const records = await this.#try((database) => database.conversations());
    for (const record of records ?? []) this.#catalogue.addWritten(record);
    await this.#queue.recover();
    this.#events.listChanged();
  }

  /** @returns {ConversationRecord[]} the last changed first */
  get list() {
    return this.#catalogue.list;
  }

  /** @param {string} id */
  record(id) {
    return this.#catalogue.record(id);
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation | null | undefined>} null where there is none; undefined where nobody knows,
   *   because the database refuses, which is said
   */
  async load(id) {
    const stored = await this.#try(async (database) => (await database.conversation(id)) ?? null);
    const record = this.#queue.record(id) ?? stored?.record;
    if (!record) return stored === undefined ? undefined : null;
    const exchanges = new Map(stored?.exchanges.map((exchange) => [exchange.id, exchange]));
    for (const { exchange } of this.#queue.exchangesOf(id)) exchanges.set(exchange.id, exchange);
    return new Conversation(record, exchanges.values());
  }

  /**
   * Keeps a conversation's record and some of its exchanges, soon: many calls in a row make few writes.
   * @param {Conversation} conversation
   * @param {Exchange[]} exchanges those that have changed
   */
  save(conversation, exchanges) {
    const { record, id } = conversation;
    const now = Date.now();
    if (exchanges.length > 0) record.changed = now; // which branch is shown does not move it in the list
    record.title = this.#catalogue.record(id)?.title ?? record.title; // it may have been renamed since it was loaded
    for (const exchange of exchanges) exchange.changed = now;
    this.#enqueue(record, exchanges);
  }

  /**
   * @param {Exchange} exchange
   * @returns {boolean} whether this tab has a form of it that the database has not
   */
  hasPendingWrite({ id }) {
    return this.#queue.has(id);
  }

  /** Writes now what is to be written. @returns {Promise<void>} fulfilled also where the database refuses */
  flush() {
    return this.#queue.flush();
  }

  /** The page goes away. */
  prepareForUnload() {
    this.#queue.backUpBeforeUnload();
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  async rename(id, title) {
    const record = this.#catalogue.record(id);
    if (!record) return;
    record.title = title;
    this.#events.listChanged();
    await this.flush(); // what is new has to be there before it can be renamed there
    const renamed = await this.#try((database) => database.rename(id, title));
    if (!renamed) return;
    this.#catalogue.addWritten(renamed); // a write under way meanwhile has brought the former title
    this.#events.listChanged();
    this.#tabs.post({ kind: "changed", conversation: id });
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation | null>} what was deleted; null where it could not be
   */
  async delete(id) {
    await this.flush();
    const conversation = await this.load(id);
    if (!conversation) return null;
    if (this.#catalogue.isWritten(id)) {
      const done = await this.#try((database) => database.deleteConversation(id).then(() => true));
      if (!done) return null;
    }
    this.#forget(id);
    this.#events.listChanged();
    this.#tabs.post({ kind: "deleted", conversation: id });
    return conversation;
  }

  /**
   * Brings conversations into the list as they are: imported ones, or deleted ones again. One that is here already
   * gets what it lacks.
   * @param {Conversation[]} conversations
   */
  async add(conversations) {
    for (const { id, record, exchanges } of conversations) {
      const here = await this.load(id);
      const known = new Map(here?.exchanges.map((exchange) => [exchange.id, exchange.changed]));
      const lacking = exchanges.filter(({ id, changed }) => changed > (known.get(id) ?? -1));
      this.#enqueue(here?.record ?? record, lacking);
    }
    await this.flush();
    this.#events.listChanged();
  }

  /**
   * @param {Conversation} conversation that the exchange has been taken out of
   * @param {Exchange} exchange
   */
  async deleteExchange(conversation, exchange) {
    this.#queue.dropExchange(exchange.id);
    await this.flush(); // what followed it follows another one now
    await this.#try((database) => database.deleteExchange(exchange.id));
    this.#tabs.post({ kind: "changed", conversation: conversation.id });
  }

  /**
   * @param {string} text
   * @returns {Promise<ConversationRecord[]>} those with all of its words in the title or in one exchange, the last
   *   changed first
   */
  async search(text) {
    const query = new SearchQuery(text);
    const ids = (await this.#try((database) => database.find((exchange) => query.isInExchange(exchange)))) ?? new Set();
    for (const exchange of this.#queue.exchanges) if (query.isInExchange(exchange)) ids.add(exchange.conversation);
    return this.list.filter(({ id, title }) => ids.has(id) || query.isIn(title));
  }

  /**
   * @param {ConversationRecord[]} records
   * @param {string[]} deleted
   */
  #onWritten(records, deleted) {
    for (const record of records) {
      this.#catalogue.addWritten(record);
      this.#tabs.post({ kind: "changed", conversation: record.id });
    }
    for (const id of deleted) this.#deletedElsewhere(id);
    this.#events.saved();
    this.#events.listChanged();
  }

  /** @param {import("./tab_channel.js").TabMessage} message */
  async #receive({ kind, conversation }) {
    if (kind === "deleted") return this.#deletedElsewhere(conversation);
    const record = await this.#try((database) => database.record(conversation));
    if (!record) return;
    this.#catalogue.addWritten(record);
    this.#events.listChanged();
    this.#events.changedElsewhere(conversation);
  }

  /** @param {string} id */
  #deletedElsewhere(id) {
    if (!this.#catalogue.record(id)) return;
    this.#forget(id);
    this.#events.listChanged();
    this.#events.deletedElsewhere(id);
  }

  /**
   * @param {ConversationRecord} record
   * @param {Exchange[]} exchanges
   */
  #enqueue(record, exchanges) {
    this.#catalogue.add(record);
    this.#queue.add(record, exchanges);
  }

  /** @param {string} id */
  #forget(id) {
    this.#catalogue.remove(id);
    this.#queue.drop(id);
  }

  /**
   * @template Result
   * @param {(database: Database) => Promise<Result>} work
   * @returns {Promise<Result | undefined>} undefined where there is no database or it refuses, which is said
   */
  async #try(work) {
    try {
      return this.#database ? await work(this.#database) : undefined;
    } catch (error) {
      this.#reportError(error);
      return undefined;
    }
  }

  /** @param {unknown} error */
  #reportError(error) {
    if (!(error instanceof StorageError)) throw error;
    this.#events.failed(error.reason);
  }
}
