/** Why the browser's storage does not keep a conversation, or does not give it back. */

/**
 * @typedef {"missing" | "unavailable" | "full" | "newer" | "older" | "failed"} StorageErrorReason
 *
 * - `missing`      the library that speaks with the storage could not be loaded
 * - `unavailable`  the storage is switched off
 * - `newer`        another tab runs a newer page, which has changed the layout
 * - `older`        another tab runs an older page, which does not let the layout be changed
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
