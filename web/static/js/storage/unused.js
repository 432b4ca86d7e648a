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
    const { [kind]: known, ...others } = parseObject(localStorage.getItem(KEY) ?? "") ?? {};
    const before = /** @type {Record<string, number>} */ (known ?? {});
    const since = Object.fromEntries(names.map((name) => [name, before[name] ?? now]));
    const all = { ...others, ...(names.length > 0 && { [kind]: since }) };
    if (Object.keys(all).length > 0) localStorage.setItem(KEY, JSON.stringify(all));
    else localStorage.removeItem(KEY);
    return names.filter((name) => (since[name] ?? now) < now - KEPT_MS);
  } catch {
    return []; // full or turned off
  }
}
