/**
 * The conversations in this browser's IndexedDB. Knows how they are laid out there; what is written when is the
 * store's business. Everything here rejects with a StorageRefusal.
 */

/** @typedef {import("./conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./exchange.js").Exchange} Exchange */

/**
 * @typedef {Exchange & { conversation: string }} ExchangeRecord
 *
 * @typedef {object} Kept a conversation as it lies in the database
 * @property {ConversationRecord} record
 * @property {ExchangeRecord[]} exchanges
 *
 * @typedef {object} Writing
 * @property {ConversationRecord} record
 * @property {boolean} isNew whether the database has not had it yet: one that it had and has no more was deleted
 *
 * @typedef {{ openDB: typeof import("idb").openDB<Schema> }} Idb the library
 *
 * @typedef {"unavailable" | "full" | "newer" | "failed"} RefusalReason
 *
 * @typedef {object} Schema
 * @property {{ key: string, value: ConversationRecord }} conversations
 * @property {{ key: string, value: ExchangeRecord, indexes: { conversation: string } }} exchanges
 */

const NAME = "sluice";
const VERSION = 1; // of the layout: `upgrade` leads from each one to the next
const BATCH = 500; // exchanges looked through at once: bounded memory, few round trips

export class StorageRefusal extends Error {
  /**
   * @param {RefusalReason} reason
   * @param {unknown} cause
   */
  constructor(reason, cause) {
    super(reason, { cause });
    this.name = "StorageRefusal";
    this.reason = reason;
  }
}

export class Database {
  #idb;
  /** @type {Promise<import("idb").IDBPDatabase<Schema>> | null} */
  #opening = null;

  /** @param {Idb} idb */
  constructor(idb) {
    this.#idb = idb;
  }

  /** @returns {Promise<ConversationRecord[]>} */
  conversations() {
    return this.#do((database) => database.getAll("conversations"));
  }

  /**
   * @param {string} id
   * @returns {Promise<ConversationRecord | undefined>}
   */
  record(id) {
    return this.#do((database) => database.get("conversations", id));
  }

  /**
   * @param {string} id
   * @returns {Promise<Kept | undefined>}
   */
  conversation(id) {
    return this.#do(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"]);
      const [record, exchanges] = await Promise.all([
        transaction.objectStore("conversations").get(id),
        transaction.objectStore("exchanges").index("conversation").getAll(id),
      ]);
      return record && { record, exchanges };
    });
  }

  /**
   * Writes all of it or nothing. Of an exchange the later form stays; of a conversation that other tabs write to as
   * well, the choices are put together.
   *
   * @param {Writing[]} writings
   * @param {ExchangeRecord[]} exchanges of these conversations
   * @returns {Promise<{ records: ConversationRecord[], deleted: string[] }>} the records as they are now, and the
   *   conversations that another tab deleted meanwhile, of which nothing was written
   */
  write(writings, exchanges) {
    return this.#do(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"], "readwrite");
      const conversationStore = transaction.objectStore("conversations");
      const exchangeStore = transaction.objectStore("exchanges");
      /** @type {ConversationRecord[]} */
      const records = [];
      /** @type {string[]} */
      const deleted = [];
      const work = async () => {
        for (const { record, isNew } of writings) {
          const stored = await conversationStore.get(record.id);
          if (!stored && !isNew) {
            deleted.push(record.id);
            continue;
          }
          const merged = stored ? mergedRecord(stored, record) : record;
          records.push(merged);
          await conversationStore.put(merged);
        }
        for (const exchange of exchanges) {
          if (deleted.includes(exchange.conversation)) continue;
          const stored = await exchangeStore.get(exchange.id);
          const isLater = !stored || stored.changed <= exchange.changed;
          const isOfSame = !stored || stored.conversation === exchange.conversation; // or an import would move it
          if (isLater && isOfSame) await exchangeStore.put(exchange);
        }
      };
      await finished(work(), transaction);
      return { records, deleted };
    });
  }

  /**
   * @param {string} id
   * @param {string} title
   * @returns {Promise<ConversationRecord | undefined>}
   */
  rename(id, title) {
    return this.#do(async (database) => {
      const transaction = database.transaction("conversations", "readwrite");
      const work = async () => {
        const record = await transaction.store.get(id);
        const renamed = record && { ...record, title };
        if (renamed) await transaction.store.put(renamed);
        return renamed;
      };
      return finished(work(), transaction);
    });
  }

  /** @param {string} id */
  deleteConversation(id) {
    return this.#do(async (database) => {
      const transaction = database.transaction(["conversations", "exchanges"], "readwrite");
      const exchanges = transaction.objectStore("exchanges");
      const work = async () => {
        await transaction.objectStore("conversations").delete(id);
        for (const key of await exchanges.index("conversation").getAllKeys(id)) await exchanges.delete(key);
      };
      await finished(work(), transaction);
    });
  }

  /** @param {string} id */
  deleteExchange(id) {
    return this.#do((database) => database.delete("exchanges", id));
  }

  /**
   * @param {(exchange: ExchangeRecord) => boolean} matches
   * @returns {Promise<Set<string>>} the conversations that have such an exchange
   */
  find(matches) {
    return this.#do(async (database) => {
      /** @type {Set<string>} */
      const found = new Set();
      /** @type {IDBKeyRange | undefined} */
      let range;
      for (;;) {
        const batch = await database.getAll("exchanges", range, BATCH);
        for (const exchange of batch) if (matches(exchange)) found.add(exchange.conversation);
        const last = batch.at(-1);
        if (!last || batch.length < BATCH) return found;
        range = IDBKeyRange.lowerBound(last.id, true);
      }
    });
  }

  /**
   * @template Result
   * @param {(database: import("idb").IDBPDatabase<Schema>) => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  async #do(work) {
    try {
      return await work(await this.#open());
    } catch (error) {
      if (error instanceof DOMException) throw new StorageRefusal(reasonOf(error), error);
      throw error;
    }
  }

  #open() {
    if (!globalThis.indexedDB) throw new StorageRefusal("unavailable", null);
    if (this.#opening) return this.#opening;
    this.#opening = this.#idb
      .openDB(NAME, VERSION, {
        upgrade(database, from) {
          if (from < 1) {
            database.createObjectStore("conversations", { keyPath: "id" });
            database.createObjectStore("exchanges", { keyPath: "id" }).createIndex("conversation", "conversation");
          }
        },
        // a newer page in another tab wants to change the layout: this one lets go, and says so when it next writes
        blocking: (_from, _to, event) => {
          this.#opening = null;
          /** @type {IDBDatabase} */ (event.target).close();
        },
        terminated: () => (this.#opening = null),
      })
      .catch((error) => {
        this.#opening = null; // the next use tries again
        throw error;
      });
    return this.#opening;
  }
}

/**
 * @template Result
 * @param {Promise<Result>} work
 * @param {{ done: Promise<void>, error: DOMException | null }} transaction
 * @returns {Promise<Result>}
 */
async function finished(work, transaction) {
  try {
    return (await Promise.all([work, transaction.done]))[0];
  } catch (error) {
    throw transaction.error ?? error; // a request of a transaction that found no room says only that it was aborted
  }
}

/**
 * @param {ConversationRecord} stored
 * @param {ConversationRecord} record
 */
function mergedRecord(stored, record) {
  return {
    ...stored,
    changed: Math.max(stored.changed, record.changed),
    choices: { ...stored.choices, ...record.choices },
  };
}

/**
 * @param {DOMException} error
 * @returns {RefusalReason}
 */
function reasonOf(error) {
  if (error.name === "QuotaExceededError") return "full";
  if (error.name === "VersionError") return "newer";
  if (error.name === "SecurityError") return "unavailable";
  return "failed";
}
