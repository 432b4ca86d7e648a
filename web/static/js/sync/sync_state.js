/** What this browser knows of the application's copies. Kept in localStorage, so that changes made offline are not lost. */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { newIdentifier } from "../conversation/identifier.js";

/**
 * @typedef {object} Base what this browser and the server had in common after the last exchange
 * @property {string} version
 * @property {number} changed when this browser's copy was last changed
 * @property {Record<string, number>} exchanges their times of change, by id
 *
 * @typedef {"content" | "record" | "deleted"} Change
 */

const SYNCED = storageName("synced.");
const CHANGED = storageName("unsynced.");

/** @param {string} id @returns {Base | null} null if the server never had it */
export function baseOf(id) {
  try {
    return JSON.parse(localStorage.getItem(SYNCED + id) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} id @param {Base | null} base */
export function setBase(id, base) {
  store(SYNCED + id, base && JSON.stringify(base));
}

/** @param {string} id @returns {string | null} names the last change that the server does not know yet */
export function markOf(id) {
  try {
    return localStorage.getItem(CHANGED + id);
  } catch {
    return null;
  }
}

/** @param {string} id @returns {Change | null} what the server does not know yet */
export function changeOf(id) {
  return /** @type {Change | null} */ (markOf(id)?.split(".")[0] ?? null);
}

/** @param {string} id @param {Change} change of the record: a new title or pin is also kept in mind when the content changes after it */
export function setChange(id, change) {
  const kind = change === "content" && changeOf(id) === "record" ? "record" : change;
  store(CHANGED + id, `${kind}.${newIdentifier()}`);
}

/** Call when the server knows a change. @param {string} id @param {string | null} mark kept if there was another since */
export function clearMark(id, mark) {
  if (markOf(id) === mark) store(CHANGED + id, null);
}

/** @returns {string[]} the ids of conversations with changes that the server does not know yet */
export function changedIds() {
  return idsOf(CHANGED);
}

/** @returns {string[]} */
export function syncedIds() {
  return idsOf(SYNCED);
}

/** @param {string} prefix */
function idsOf(prefix) {
  try {
    return Object.keys(localStorage).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
  } catch {
    return [];
  }
}

/** @param {string} key @param {string | null} value */
function store(key, value) {
  if (isStorageClosed()) return;
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // full or turned off: the versions then differ, and both sides are merged again
  }
}
