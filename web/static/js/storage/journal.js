/**
 * What a page could not write to the database before it went away: a database takes its time, and a page that is
 * being left has none. The next page takes it from here.
 */

import { parseObject } from "../api/failure.js";
import { isIdentifier } from "../conversation/identifier.js";

/** @typedef {import("./database.js").Writing} Writing */
/** @typedef {import("./database.js").ExchangeRecord} ExchangeRecord */

/** @typedef {{ writings: Writing[], exchanges: ExchangeRecord[] }} Entry */

const PREFIX = "sluice.journal.";

/**
 * @param {string} page its own name, so that two that are left at once do not meet
 * @param {Entry} entry
 * @returns {boolean} false where the browser refuses
 */
export function writeJournal(page, entry) {
  try {
    localStorage.setItem(PREFIX + page, JSON.stringify(entry));
    return true;
  } catch {
    return false;
  }
}

/** @returns {{ page: string, entry: Entry }[]} what pages have left behind */
export function readJournal() {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX))
      .flatMap((key) => {
        const entry = parseObject(localStorage.getItem(key) ?? "");
        return isEntry(entry) ? [{ page: key.slice(PREFIX.length), entry }] : []; // another form: for a page that knows it
      });
  } catch {
    return []; // switched off: then no page could leave anything
  }
}

/**
 * @param {any} value
 * @returns {value is Entry}
 */
function isEntry(value) {
  const { writings, exchanges } = value ?? {};
  if (!Array.isArray(writings) || !Array.isArray(exchanges)) return false;
  return (
    writings.every((each) => isIdentifier(each?.record?.id)) &&
    exchanges.every((each) => isIdentifier(each?.id) && isIdentifier(each.conversation))
  );
}

/** @param {string} page */
export function clearJournal(page) {
  try {
    localStorage.removeItem(PREFIX + page);
  } catch {
    // switched off: then nothing is there
  }
}
