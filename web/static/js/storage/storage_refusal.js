/** Why the browser's storage does not keep a conversation, or does not give it back. */

/**
 * @typedef {"missing" | "unavailable" | "full" | "newer" | "older" | "failed"} RefusalReason
 *
 * - `missing`      the library that speaks with the storage could not be loaded
 * - `unavailable`  the storage is switched off
 * - `newer`        another tab runs a newer page, which has changed the layout
 * - `older`        another tab runs an older page, which does not let the layout be changed
 */

export class StorageRefusal extends Error {
  /**
   * @param {RefusalReason} reason
   * @param {unknown} [cause]
   */
  constructor(reason, cause) {
    super(reason, { cause });
    this.name = "StorageRefusal";
    this.reason = reason;
  }

  /** @param {DOMException} error of IndexedDB */
  static of(error) {
    return new StorageRefusal(REASONS[error.name] ?? "failed", error);
  }
}

/** @type {Record<string, RefusalReason>} */
const REASONS = { QuotaExceededError: "full", VersionError: "newer", SecurityError: "unavailable" };
