/**
 * The connection to this browser's database. It opens on first use, upgrades the schema, and closes when another tab
 * needs to upgrade it.
 */

import { closeStorage, isStorageClosed, userKey } from "../browser/page_root.js";
import { StorageError } from "./storage_error.js";

/** @typedef {import("./database.js").Schema} Schema */
/** @typedef {import("idb").IDBPDatabase<Schema>} OpenDatabase */
/** @typedef {{ openDB: typeof import("idb").openDB<Schema> }} Idb the library */
/** @typedef {"older" | "waiting"} Obstacle */

const NAME = userKey ? `sluice.${userKey}` : "sluice";
const VERSION = 1; // of the schema: `upgrade` converts each version to the next
// Milliseconds. The browser opens one connection at a time. Behind a blocked one of another tab, or of this tab before
// its reload, no event is fired.
const OPEN_TIMEOUT = 3000;

export class DatabaseConnection {
  #idb;
  #obstacleChanged;
  /** @type {Promise<OpenDatabase> | null} */
  #opening = null;
  /** Why `open` rejects although the browser still tries to open the database. @type {Obstacle | null} */
  #obstacle = null;

  /**
   * @param {Idb} idb
   * @param {() => void} obstacleChanged called when `open` has rejected because the browser had to wait, and would
   *   now fulfil or reject with another reason
   */
  constructor(idb, obstacleChanged) {
    this.#idb = idb;
    this.#obstacleChanged = obstacleChanged;
  }

  /**
   * @returns {Promise<OpenDatabase>} the open connection, or a new one
   * @throws {StorageError} if there is no storage, or other tabs prevent opening
   * @throws {DOMException} if the browser refuses
   */
  async open() {
    if (!globalThis.indexedDB || isStorageClosed()) throw new StorageError("unavailable");
    if (this.#obstacle) throw new StorageError(this.#obstacle);
    this.#opening ??= this.#request();
    return this.#opening;
  }

  /** @returns {Promise<OpenDatabase>} */
  #request() {
    return new Promise((resolve, reject) => {
      const setObstacle = (/** @type {Obstacle | null} */ obstacle) => {
        clearTimeout(timer);
        const before = this.#obstacle;
        this.#obstacle = obstacle;
        if (obstacle) reject(new StorageError(obstacle));
        if (before) this.#obstacleChanged();
      };
      const timer = setTimeout(() => setObstacle("waiting"), OPEN_TIMEOUT);
      const opening = this.#openDatabase(setObstacle);
      opening.then(
        (database) => {
          this.#opening = opening;
          resolve(database);
          setObstacle(null);
        },
        (error) => {
          this.#opening = null; // the next use tries again
          reject(error);
          setObstacle(null);
        },
      );
    });
  }

  /**
   * Async, because `openDB` throws where the browser forbids storage.
   * @param {(obstacle: Obstacle) => void} setObstacle
   * @returns {Promise<OpenDatabase>}
   */
  async #openDatabase(setObstacle) {
    return this.#idb.openDB(NAME, VERSION, {
      upgrade(database, from) {
        if (from < 1) {
          database.createObjectStore("conversations", { keyPath: "id" });
          database.createObjectStore("exchanges", { keyPath: "id" }).createIndex("conversation", "conversation");
        }
      },
      // another tab keeps an older schema open; it may be suspended, so do not wait for it
      blocked: () => setObstacle("older"),
      // a newer page in another tab upgrades the schema: close; the next write reports it. Or `forget.js` deletes the
      // database: opening it again would create it.
      blocking: (_from, to, event) => {
        if (to === null) closeStorage();
        this.#opening = null;
        /** @type {IDBDatabase} */ (event.target).close();
      },
      terminated: () => (this.#opening = null),
    });
  }
}
