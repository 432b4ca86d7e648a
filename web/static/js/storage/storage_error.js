/** Why the browser's storage could not save or read a conversation. */

/**
 * @typedef {"missing" | "unavailable" | "full" | "newer" | "older" | "waiting" | "failed"} StorageErrorReason
 *
 * - `missing`      the library for IndexedDB could not be loaded
 * - `unavailable`  the storage is turned off
 * - `newer`        another tab runs a newer page, which has upgraded the schema
 * - `older`        another tab runs an older page, which prevents an upgrade of the schema
 * - `waiting`      the browser has not opened the database yet: other tabs may prevent it
 */

export class StorageError extends Error {
  /**
   * @param {StorageErrorReason} reason
   * @param {unknown} [cause]
   */
  constructor(reason, cause) {
    super(reason, { cause });
    this.name = "StorageError";
    this.reason = reason;
  }

  /** @param {DOMException} error of IndexedDB */
  static of(error) {
    return new StorageError(REASONS[error.name] ?? "failed", error);
  }
}

/** @type {Record<string, StorageErrorReason>} */
const REASONS = { QuotaExceededError: "full", VersionError: "newer", SecurityError: "unavailable" };
