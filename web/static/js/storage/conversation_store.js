/**
 * Stores the conversations in this browser, and synchronises the open tabs. Changes stay in memory until they are in
 * the database: if it fails, nothing is lost until the page is closed.
 */

import { Catalogue } from "./catalogue.js";
import { Conversation, laterAsked } from "../conversation/conversation.js";
import { completes, isAhead } from "../conversation/exchange.js";
import { RecordChanges } from "./record_changes.js";
import { StorageError } from "./storage_error.js";
import { TabChannel } from "./tab_channel.js";
import { WriteQueue } from "./write_queue.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").Database} Database */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./storage_error.js").StorageErrorReason} StorageErrorReason */

/**
 * @typedef {object} StoreEvents
 * @property {(reason: StorageErrorReason, ids: string[]) => void} failed these conversations could not be read or stored,
 *   or something else, without ids
 * @property {() => void} saved something was stored or deleted: there may be room for what was refused
 * @property {(id: string) => void} read a conversation was read; or all were, with ""
 * @property {(id: string) => void} forgotten a conversation is gone, also with what was not stored of it
 * @property {() => void} listChanged the list of conversations has changed
 * @property {(id: string) => void} changedElsewhere another tab has changed a conversation
 * @property {(id: string) => void} deletedElsewhere
 * @property {(id: string, change: "content" | "record" | "deleted") => void} changedHere this tab has changed one
 *
 * @typedef {object} AddedCounts
 * @property {number} added conversations that were not here
 * @property {number} updated those that got exchanges
 * @property {number} present those of which all was here
 *
 * @typedef {object} Origin
 * @property {boolean} [isFromServer] whether the application's copy has the change already
 */

const BATCH = 100; // conversations added in one write: few writes, and a count that grows

export class ConversationStore {
  /** Whether `open` has ended, so that the list is known as far as it can be. */
  isOpened = false;
  /** Null: all conversations are in memory only. @type {Database | null} */
  #database = null;
  #events;
  #tabs;
  #catalogue = new Catalogue();
  #changes = new RecordChanges({
    write: (id, changes) => this.#try((database) => database.changeRecord(id, changes), [id]),
    canBackUp: () => this.#database !== null,
  });
  #isListRead = false;
  #queue;
  #setOpened = () => {};
  /** Fulfilled when `open` has ended, even without success. @type {Promise<void>} */
  #opened = new Promise((resolve) => (this.#setOpened = resolve));

  /** @param {StoreEvents} events */
  constructor(events) {
    this.#events = events;
    this.#tabs = new TabChannel((message) => void this.#receive(message));
    this.#queue = new WriteQueue({
      isNew: (id) => !this.#catalogue.isWritten(id),
      isListRead: () => this.#isListRead,
      recovered: (record) => this.#catalogue.add(record),
      written: (records, deleted) => this.#onWritten(records, deleted),
      failed: (error, ids) => this.#reportError(error, ids),
    });
  }

  /**
   * Reads the list, and recovers changes that earlier pages could not write.
   * @param {Database | null} database null if its library is missing; call again once it is there
   */
  async open(database) {
    this.#database = this.#queue.database = database;
    if (this.isOpened) return this.reopen();
    try {
      if (!database) return this.#events.failed("missing", []);
      await this.#readList();
      await this.#queue.recover();
    } finally {
      this.isOpened = true;
      this.#setOpened();
      this.#events.listChanged();
    }
  }

  /** Does what `open` could not do, and writes all changes. Call when a database that did not open may be open. */
  async reopen() {
    if (!(await this.#readList())) return;
    await this.#queue.flush();
    if (this.#queue.isEmpty) await this.#queue.recover();
    if (this.#queue.isEmpty) await this.#finishSaving(); // otherwise the failure was reported
    this.#events.listChanged();
  }

  /** @param {string} id @returns {boolean} whether the database does not have all of a conversation yet */
  isUnsaved(id) {
    return this.#queue.record(id) !== undefined || this.#changes.has(id);
  }

  /** Whether the database has all changes of this page. */
  get isSaved() {
    return this.#queue.isEmpty && this.#changes.ids.length === 0;
  }

  /** Whether all conversations of this browser are known. */
  get isListRead() {
    return this.#isListRead;
  }

  /** @returns {Promise<void>} fulfilled when `open` has ended, even without success */
  whenOpened() {
    return this.#opened;
  }

  /** @returns {ConversationRecord[]} most recently asked first */
  get list() {
    return this.#catalogue.list;
  }

  /** @param {string} id */
  record(id) {
    return this.#catalogue.record(id);
  }

  /**
   * Reads a conversation, after `open` has ended.
   * @param {string} id
   * @returns {Promise<Conversation | null | undefined>} null if there is none; undefined if the database failed, which
   *   is reported by the event `failed`
   */
  async load(id) {
    await this.#opened;
    const stored = await this.#try(async (database) => (await database.conversation(id)) ?? null, [id]);
    if (stored !== undefined) this.#events.read(id);
    if (stored === undefined && this.#catalogue.isWritten(id)) return undefined; // of which the queue has only changes
    const record = this.#queue.record(id) ?? stored?.record;
    if (!record) return stored === undefined ? undefined : null;
    this.#changes.applyTo(record);
    const exchanges = new Map(stored?.exchanges.map((exchange) => [exchange.id, exchange]));
    for (const { exchange } of this.#queue.exchangesOf(id)) exchanges.set(exchange.id, exchange);
    return new Conversation(record, exchanges.values());
  }

  /**
   * Schedules a write of a conversation's record and some of its exchanges. Many calls in a row cause few writes.
   * @param {Conversation} conversation
   * @param {Exchange[]} exchanges the changed ones
   * @param {{ isAsked?: boolean, isGrowth?: boolean }} [options] whether an answer is requested, which moves the conversation
   *   to the top of the list; whether the server has the rest of their answers, so that other devices can read it there
   */
  save(conversation, exchanges, { isAsked = false, isGrowth = false } = {}) {
    const { record, id } = conversation;
    const now = Date.now();
    // these may have changed since it was loaded
    Object.assign(record, laterAsked(record, this.#catalogue.record(id)));
    if (isAsked) record.asked = now;
    else record.asked ??= record.changed; // of an earlier version
    if (exchanges.length > 0) record.changed = now;
    const { title = record.title, isPinned, systemPrompt, temperature } = this.#catalogue.record(id) ?? record;
    Object.assign(record, { title, ...defined({ isPinned, systemPrompt, temperature }) });
    for (const exchange of exchanges) exchange.changed = now;
    this.#enqueue(record, exchanges);
    if (!isGrowth) this.#events.changedHere(conversation.id, "content");
  }

  /**
   * @param {Exchange} exchange
   * @returns {boolean} whether this tab has changes of it that are not in the database yet
   */
  hasPendingWrite({ id }) {
    return this.#queue.has(id);
  }

  /** Keeps unwritten changes for the next page. @returns {boolean} false if the browser refuses */
  backUp() {
    return this.#queue.backUp();
  }

  /** Writes all changes now. @returns {Promise<void>} fulfilled even if the database fails */
  flush() {
    return this.#queue.flush();
  }

  /** Backs up unwritten changes. Call before the page is unloaded. */
  prepareForUnload() {
    this.#queue.backUpBeforeUnload();
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    return this.changeRecord(id, { title });
  }

  /**
   * Keeps a conversation at the top of the list, or no longer.
   * @param {string} id
   * @param {boolean} isPinned
   */
  pin(id, isPinned) {
    return this.changeRecord(id, { isPinned });
  }

  /**
   * @param {string} id
   * @param {import("./database.js").RecordChanges} changes undefined removes a value
   * @param {Origin} [origin]
   */
  async changeRecord(id, changes, { isFromServer = false } = {}) {
    const record = this.#catalogue.record(id);
    if (!record) return;
    Object.assign(record, changes);
    this.#events.listChanged();
    await this.flush(); // a new conversation must be in the database before it is changed there
    const isStored = await this.#storeChanges(id, changes);
    if (isStored && !isFromServer) this.#events.changedHere(id, "record");
  }

  /**
   * @param {string} id
   * @param {import("./database.js").RecordChanges} [changes] other than those that were refused before
   * @returns {Promise<boolean>} false if the database has refused them
   */
  async #storeChanges(id, changes) {
    const record = await this.#changes.store(id, changes);
    if (!record) return false;
    this.#addWritten(record); // a write in the meantime may have stored the old record
    this.#events.listChanged();
    this.tellTabs(id);
    return true;
  }

  /** Tries again to change records. */
  async #changeWhatWasRefused() {
    for (const id of this.#changes.ids) {
      if (!(await this.#storeChanges(id))) continue; // another one may be smaller
      this.#events.changedHere(id, "record");
    }
  }

  /** Call when something was stored or deleted. */
  async #finishSaving() {
    await this.#changeWhatWasRefused();
    this.#events.saved();
  }

  /** @param {ConversationRecord} record as the database has it */
  #addWritten(record) {
    this.#catalogue.addWritten(this.#changes.applyTo(record));
  }

  /**
   * @param {string} id
   * @param {Origin} [origin]
   * @returns {Promise<Conversation | null>} the deleted conversation; null if the deletion failed
   */
  async delete(id, { isFromServer = false } = {}) {
    await this.flush();
    const conversation = await this.load(id);
    if (!conversation) return null;
    const wasStored = this.#catalogue.isWritten(id);
    if (wasStored) {
      const done = await this.#try((database) => database.deleteConversation(id).then(() => true));
      if (!done) return null;
    }
    this.#forget(id);
    if (!isFromServer) this.#events.changedHere(id, "deleted");
    this.#events.listChanged();
    this.#tabs.post({ kind: "deleted", conversation: id });
    if (wasStored) await this.#writeWhatWasRefused();
    return conversation;
  }

  /**
   * Adds imported or restored conversations. If one is present already, only missing or newer exchanges are added.
   * @param {Conversation[]} conversations
   * @param {Origin & { progressed?: (done: number) => void }} [options] a function that is told, once in a while, how many
   *   have been added
   * @returns {Promise<AddedCounts>}
   */
  async add(conversations, { isFromServer = false, progressed = () => {} } = {}) {
    const counts = { added: 0, updated: 0, present: 0 };
    for (const [index, { id, record, exchanges }] of conversations.entries()) {
      if (index > 0 && index % BATCH === 0) {
        await this.flush();
        progressed(index);
      }
      const here = await this.load(id);
      const known = new Map(here?.exchanges.map((exchange) => [exchange.id, exchange]));
      const lacking = exchanges.filter((each) => {
        const ours = known.get(each.id);
        return !ours || isAhead(each, ours) || completes(each, ours) || (each.changed > ours.changed && !isAhead(ours, each));
      });
      counts[!here ? "added" : lacking.length > 0 ? "updated" : "present"] += 1;
      // what is new is shown as there; what is known, as here
      const choices = { ...(lacking.length > 0 && record.choices), ...here?.record.choices };
      this.#enqueue(here ? { ...here.record, ...laterAsked(here.record, record), choices } : record, lacking);
      if (!isFromServer) this.#events.changedHere(id, "content");
    }
    await this.flush();
    this.#events.listChanged();
    return counts;
  }

  /**
   * @param {Conversation} conversation from which the exchange has been removed already
   * @param {Exchange} exchange
   * @param {Origin} [origin]
   */
  async deleteExchange(conversation, exchange, { isFromServer = false } = {}) {
    this.#queue.dropExchange(exchange.id);
    if (!isFromServer) this.#events.changedHere(conversation.id, "content");
    await this.flush(); // its children have another parent now
    const isDone = await this.#try((database) => database.deleteExchange(exchange.id).then(() => true));
    this.tellTabs(conversation.id);
    if (isDone) await this.#writeWhatWasRefused();
  }

  /** @returns {Promise<Set<string> | null>} the ids of the images of all exchanges; null if they cannot be read */
  async findImages() {
    /** @type {Set<string>} */
    const ids = new Set();
    const isRead = await this.visit(({ images = [] }) => images.forEach(({ id }) => ids.add(id)));
    return isRead ? ids : null;
  }

  /**
   * @param {(exchange: import("./database.js").ExchangeRecord) => void} visit called for each exchange of all conversations
   * @returns {Promise<boolean>} false if the database failed: there may be others
   */
  async visit(visit) {
    await this.#opened;
    const isRead = await this.#try((database) => database.visit(visit).then(() => true));
    if (isRead) this.#events.read("");
    for (const exchange of this.#queue.exchanges) visit(exchange);
    return isRead === true && this.#isListRead; // without the list, backups of earlier pages may wait
  }

  /** Makes other tabs read and show a conversation again. Call also where a change is not stored with it. @param {string} id */
  tellTabs(id) {
    this.#tabs.post({ kind: "changed", conversation: id });
  }

  /**
   * @param {ConversationRecord[]} records
   * @param {string[]} deleted
   */
  #onWritten(records, deleted) {
    for (const record of records) {
      this.#addWritten(record);
      this.tellTabs(record.id);
    }
    for (const id of deleted) this.#deletedElsewhere(id);
    if (!this.#isListRead) void this.reopen(); // reading it has failed, but now the database works
    void this.#finishSaving();
    this.#events.listChanged();
  }

  /** @param {import("./tab_channel.js").TabMessage} message */
  async #receive({ kind, conversation }) {
    if (kind === "deleted") {
      this.#deletedElsewhere(conversation);
      return this.#writeWhatWasRefused();
    }
    const record = await this.#try((database) => database.record(conversation));
    if (!record) return;
    this.#addWritten(record);
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
    this.#changes.drop(id);
    this.#events.forgotten(id);
  }

  /** Tries again to write changes. Call after a deletion, which may have made room for them. */
  async #writeWhatWasRefused() {
    if (!this.#queue.isEmpty) await this.flush();
    await this.#finishSaving();
  }

  /** @returns {Promise<boolean>} whether it was read; if not, the failure was reported */
  async #readList() {
    const records = await this.#try((database) => database.conversations());
    if (!records) return false;
    for (const record of records) this.#addWritten(record);
    this.#isListRead = true;
    return true;
  }

  /**
   * @template Result
   * @param {(database: Database) => Promise<Result>} work
   * @param {string[]} [ids] of the conversations that cannot be read or stored if it fails
   * @returns {Promise<Result | undefined>} undefined without a database, or after reporting its failure
   */
  async #try(work, ids = []) {
    try {
      return this.#database ? await work(this.#database) : undefined;
    } catch (error) {
      this.#reportError(error, ids);
      return undefined;
    }
  }

  /**
   * @param {unknown} error
   * @param {string[]} ids
   */
  #reportError(error, ids) {
    if (!(error instanceof StorageError)) throw error;
    this.#events.failed(error.reason, ids);
  }
}

/**
 * @template {object} Fields
 * @param {Fields} fields
 * @returns {Partial<Fields>} without those that are undefined
 */
function defined(fields) {
  return /** @type {Partial<Fields>} */ (Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}
