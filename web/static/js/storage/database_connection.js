/**
 * The connection to this browser's database: opened when first used, brought to today's layout, and given up where
 * another tab needs that. Knows nothing of what is kept.
 */

import { StorageError } from "./storage_error.js";

/** @typedef {import("./database.js").Schema} Schema */
/** @typedef {import("idb").IDBPDatabase<Schema>} OpenDatabase */
/** @typedef {{ openDB: typeof import("idb").openDB<Schema> }} Idb the library */

const NAME = "sluice";
const VERSION = 1; // of the layout: `upgrade` leads from each one to the next

export class DatabaseConnection {
  #idb;
  /** @type {Promise<OpenDatabase> | null} */
  #opening = null;
  /** While another tab does not let it be opened. */
  #blocked = false;

  /** @param {Idb} idb */
  constructor(idb) {
    this.#idb = idb;
  }

  /**
   * @returns {Promise<OpenDatabase>} the one that is open, or a new one
   * @throws {StorageError} where there is no storage, or another tab has an older layout open
   * @throws {DOMException} where the browser refuses
   */
  async open() {
    if (!globalThis.indexedDB) throw new StorageError("unavailable");
    if (this.#blocked) throw new StorageError("older");
    this.#opening ??= this.#request();
    return this.#opening;
  }

  /** @returns {Promise<OpenDatabase>} */
  #request() {
    return new Promise((resolve, reject) => {
      const opening = this.#idb.openDB(NAME, VERSION, {
        upgrade(database, from) {
          if (from < 1) {
            database.createObjectStore("conversations", { keyPath: "id" });
            database.createObjectStore("exchanges", { keyPath: "id" }).createIndex("conversation", "conversation");
          }
        },
        // another tab with an older page holds the layout; it may be asleep, so nobody waits for it
        blocked: () => {
          this.#blocked = true;
          reject(new StorageError("older"));
        },
        // a newer page in another tab wants to change the layout: this one lets go, and says so when it next writes
        blocking: (_from, _to, event) => {
          this.#opening = null;
          /** @type {IDBDatabase} */ (event.target).close();
        },
        terminated: () => (this.#opening = null),
      });
      opening.then(
        (database) => {
          this.#blocked = false;
          this.#opening = opening;
          resolve(database);
        },
        (error) => {
          this.#opening = null; // the next use tries again
          reject(error);
        },
      );
    });
  }
}
