/**
 * A backup of unwritten changes in localStorage. IndexedDB writes may not finish while a page is unloaded; writes to
 * localStorage are synchronous. The next page writes the backup to the database.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { parseObject } from "../api/failure.js";
import { isIdentifier } from "../conversation/identifier.js";

/** @typedef {import("./database.js").Writing} Writing */
/** @typedef {import("./database.js").ExchangeRecord} ExchangeRecord */

/** @typedef {{ writings: Writing[], exchanges: ExchangeRecord[] }} Backup */

const PREFIX = storageName("journal."); // stored in browsers: renaming it would lose backups

/**
 * @param {string} pageId unique, because several pages may be unloaded at once
 * @param {Backup} backup
 * @returns {boolean} false if the browser refuses
 */
export function saveUnloadBackup(pageId, backup) {
  if (isStorageClosed()) return true;
  try {
    localStorage.setItem(PREFIX + pageId, JSON.stringify(backup));
    return true;
  } catch {
    return false;
  }
}

/** @returns {{ pageId: string, backup: Backup }[]} the backups of earlier pages */
export function readUnloadBackups() {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX))
      .flatMap((key) => {
        const backup = parseObject(localStorage.getItem(key) ?? "");
        // leave other formats to other versions of the page
        return isBackup(backup) ? [{ pageId: key.slice(PREFIX.length), backup }] : [];
      });
  } catch {
    return []; // turned off: no page could store a backup
  }
}

/**
 * @param {any} value
 * @returns {value is Backup}
 */
function isBackup(value) {
  const { writings, exchanges } = value ?? {};
  if (!Array.isArray(writings) || !Array.isArray(exchanges)) return false;
  return (
    writings.every((each) => isIdentifier(each?.record?.id)) &&
    exchanges.every((each) => isIdentifier(each?.id) && isIdentifier(each.conversation))
  );
}

/** @param {string} pageId */
export function deleteUnloadBackup(pageId) {
  try {
    localStorage.removeItem(PREFIX + pageId);
  } catch {
    // turned off: nothing to delete
  }
}
