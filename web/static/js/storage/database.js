/** Reads and writes the conversations in this browser's IndexedDB. All methods reject with a StorageError. */

import { laterAsked } from "../conversation/conversation.js";
import { isAhead } from "../conversation/exchange.js";
import { StorageError } from "./storage_error.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database_connection.js").DatabaseConnection} DatabaseConnection */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {Partial<Pick<ConversationRecord, "title" | "isPinned" | "systemPrompt" | "temperature">>} RecordChanges
 *
 * @typedef {Exchange & { conversation: string }} ExchangeRecord
 *
 * @typedef {object} StoredConversation a conversation as it is in the database
 * @property {ConversationRecord} record
 * @property {Exchange[]} exchanges
 *
 * @typedef {object} Writing
 * @property {ConversationRecord} record
 * @property {boolean} isNew whether it was never in the database; if not, and it is missing, another tab deleted it
 *
 * @typedef {object} Schema
 * @property {{ key: string, value: ConversationRecord }} conversations
 * @property {{ key: string, value: ExchangeRecord, indexes: { conversation: string } }} exchanges
 */

const BATCH = 500; // exchanges read at once: bounded memory, few round trips

export class Database {
  #connection;

  /** @param {DatabaseConnection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @returns {Promise<ConversationRecord[]>} */
  conversations() {
    return this.#run((database) => database.getAll("conversations"));
  }

  /**
   * @param {string} id
   * @returns {Promise<ConversationRecord | undefined>}
   */
  record(id) {
    return this.#run((database) => database.get("conversations", id));
  }

  /**
   * @param {string} id
   * @returns {Promise<StoredConversation | undefined>}
   */
  conversation(id) {
    return this.#run(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"]);
      const [record, exchanges] = await Promise.all([
        transaction.objectStore("conversations").get(id),
        transaction.objectStore("exchanges").index("conversation").getAll(id),
      ]);
      return record && { record, exchanges: exchanges.map(toExchange) };
    });
  }

  /**
   * Writes everything or nothing. The later version of an exchange wins, or the one with more of a kept answer; the choices of a conversation are merged with
   * those that other tabs have stored.
   *
   * @param {Writing[]} writings each conversation once
   * @param {ExchangeRecord[]} exchanges of these conversations; each once
   * @returns {Promise<{ records: ConversationRecord[], deleted: string[] }>} the stored records, and the ids of
   *   conversations that another tab has deleted, which were not written
   */
  write(writings, exchanges) {
    return this.#run(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"], "readwrite");
      const conversationStore = transaction.objectStore("conversations");
      const exchangeStore = transaction.objectStore("exchanges");
      /** @type {ConversationRecord[]} */
      const records = [];
      /** @type {string[]} */
      const deleted = [];
      // each is there once; to wait for one after the other takes seconds for the thousands of an import
      const writeRecord = async (/** @type {Writing} */ { record, isNew }) => {
        const stored = await conversationStore.get(record.id);
        if (!stored && !isNew) return void deleted.push(record.id);
        const merged = stored ? mergeRecords(stored, record) : record;
        records.push(merged);
        await conversationStore.put(merged);
      };
      const writeExchange = async (/** @type {ExchangeRecord} */ exchange) => {
        if (deleted.includes(exchange.conversation)) return;
        const stored = await exchangeStore.get(exchange.id);
        const isLater =
          !stored || isAhead(exchange, stored) || (stored.changed <= exchange.changed && !isAhead(stored, exchange));
        // an import must not move an exchange to another conversation
        const belongsHere = !stored || stored.conversation === exchange.conversation;
        if (isLater && belongsHere) await exchangeStore.put(exchange);
      };
      const work = async () => {
        await Promise.all(writings.map(writeRecord));
        await Promise.all(exchanges.map(writeExchange));
      };
      await waitForCommit(work(), transaction);
      return { records, deleted };
    });
  }

  /**
   * @param {string} id
   * @param {RecordChanges} changes
   * @returns {Promise<ConversationRecord | undefined>}
   */
  changeRecord(id, changes) {
    return this.#run(async (database) => {
      const transaction = database.transaction("conversations", "readwrite");
      const work = async () => {
        const record = await transaction.store.get(id);
        const changed = record && { ...record, ...changes };
        if (changed) await transaction.store.put(changed);
        return changed;
      };
      return waitForCommit(work(), transaction);
    });
  }

  /** @param {string} id */
  deleteConversation(id) {
    return this.#run(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"], "readwrite");
      const exchanges = transaction.objectStore("exchanges");
      const work = async () => {
        await transaction.objectStore("conversations").delete(id);
        for (const key of await exchanges.index("conversation").getAllKeys(id)) await exchanges.delete(key);
      };
      await waitForCommit(work(), transaction);
    });
  }

  /** @param {string} id */
  deleteExchange(id) {
    return this.#run((database) => database.delete("exchanges", id));
  }

  /** @param {(exchange: ExchangeRecord) => void} visit called for each exchange of all conversations */
  visit(visit) {
    return this.#run(async (database) => {
      /** @type {IDBKeyRange | undefined} */
      let range;
      for (;;) {
        const batch = await database.getAll("exchanges", range, BATCH);
        batch.forEach(visit);
        const last = batch.at(-1);
        if (!last || batch.length < BATCH) return;
        range = IDBKeyRange.lowerBound(last.id, true);
      }
    });
  }

  /**
   * @template Result
   * @param {(database: import("idb").IDBPDatabase<Schema>) => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  async #run(work) {
    try {
      return await work(await this.#connection.open());
    } catch (error) {
      throw error instanceof DOMException ? StorageError.of(error) : error;
    }
  }
}

/**
 * @template Result
 * @param {Promise<Result>} work
 * @param {{ done: Promise<void>, error: DOMException | null }} transaction
 * @returns {Promise<Result>}
 */
async function waitForCommit(work, transaction) {
  try {
    return (await Promise.all([work, transaction.done]))[0];
  } catch (error) {
    throw transaction.error ?? error; // with full storage, a request reports only an abort
  }
}

/**
 * @param {ConversationRecord} stored
 * @param {ConversationRecord} record
 */
function mergeRecords(stored, record) {
  return {
    ...stored,
    changed: Math.max(stored.changed, record.changed),
    ...laterAsked(stored, record),
    choices: { ...stored.choices, ...record.choices },
  };
}

/** @param {ExchangeRecord} record @returns {Exchange} */
export function toExchange({ conversation: _, ...exchange }) {
  return exchange;
}
