/**
 * Since when stored things have been unused. What a deletion has left is removed after a week: until then, a tab may undo
 * it, or store what refers to it.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { parseObject } from "../api/failure.js";

const KEY = storageName("unused");
const KEPT_MS = 604_800_000;

/**
 * Keeps in mind what is unused now.
 * @param {"drafts" | "images"} kind
 * @param {string[]} names of all that are unused
 * @returns {string[]} those that have been unused for a week
 */
export function unusedForLong(kind, names) {
  if (isStorageClosed()) return [];
  try {
    const now = Date.now();
    const all = parseObject(localStorage.getItem(KEY) ?? "") ?? {};
    const before = /** @type {Record<string, number>} */ (all[kind] ?? {});
    const since = Object.fromEntries(names.map((name) => [name, before[name] ?? now]));
    localStorage.setItem(KEY, JSON.stringify({ ...all, [kind]: since }));
    return names.filter((name) => (since[name] ?? now) < now - KEPT_MS);
  } catch {
    return []; // full or turned off
  }
}
