/**
 * The connection to this browser's database. It opens on first use, upgrades the schema, and closes when another tab
 * needs to upgrade it.
 */

import { StorageError } from "./storage_error.js";

/** @typedef {import("./database.js").Schema} Schema */
/** @typedef {import("idb").IDBPDatabase<Schema>} OpenDatabase */
/** @typedef {{ openDB: typeof import("idb").openDB<Schema> }} Idb the library */

const NAME = "sluice";
const VERSION = 1; // of the schema: `upgrade` converts each version to the next

export class DatabaseConnection {
  #idb;
  /** @type {Promise<OpenDatabase> | null} */
  #opening = null;
  /** Whether another tab with an older schema prevents opening. */
  #blocked = false;

  /** @param {Idb} idb */
  constructor(idb) {
    this.#idb = idb;
  }

  /**
   * @returns {Promise<OpenDatabase>} the open connection, or a new one
   * @throws {StorageError} if there is no storage, or another tab keeps an older schema open
   * @throws {DOMException} if the browser refuses
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
        // another tab keeps an older schema open; it may be suspended, so do not wait for it
        blocked: () => {
          this.#blocked = true;
          reject(new StorageError("older"));
        },
        // a newer page in another tab upgrades the schema: close; the next write reports it
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
