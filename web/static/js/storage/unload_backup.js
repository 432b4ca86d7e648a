/**
 * What a page could not write to the database before it went away: a database takes its time, and a page that is
 * being left has none. The next page takes it from here.
 */

import { parseObject } from "../api/failure.js";
import { isIdentifier } from "../conversation/identifier.js";

/** @typedef {import("./database.js").Writing} Writing */
/** @typedef {import("./database.js").ExchangeRecord} ExchangeRecord */

/** @typedef {{ writings: Writing[], exchanges: ExchangeRecord[] }} Backup */

const PREFIX = "sluice.journal.";

/**
 * @param {string} pageId its own name, so that two that are left at once do not meet
 * @param {Backup} backup
 * @returns {boolean} false where the browser refuses
 */
export function saveUnloadBackup(pageId, backup) {
  try {
    localStorage.setItem(PREFIX + pageId, JSON.stringify(backup));
    return true;
  } catch {
    return false;
  }
}

/** @returns {{ pageId: string, backup: Backup }[]} what pages have left behind */
export function readUnloadBackups() {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX))
      .flatMap((key) => {
        const backup = parseObject(localStorage.getItem(key) ?? "");
        return isBackup(backup) ? [{ pageId: key.slice(PREFIX.length), backup }] : []; // another form: for a page that knows it
      });
  } catch {
    return []; // switched off: then no page could leave anything
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
    // switched off: then nothing is there
  }
}
