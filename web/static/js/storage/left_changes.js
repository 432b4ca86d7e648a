/**
 * What was being typed about a conversation when its page was left, its title or its instructions, and changes of records
 * for which the database has no room. IndexedDB writes may not finish when a page is left; writes to localStorage are
 * synchronous. The next page stores them, and they stay here until the database has them.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { parseObject } from "../api/failure.js";

/** @typedef {import("./database.js").RecordChanges} RecordChanges */

const KEY = storageName("left");

/**
 * Call while the page is left, or when the database has refused the changes.
 * @param {string} id of a conversation
 * @param {RecordChanges} changes
 */
export function leaveChanges(id, changes) {
  if (isStorageClosed()) return;
  try {
    const left = read();
    const before = left[id] ?? {};
    // JSON has no undefined, which removes a value
    left[id] = { ...before, ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value ?? null])) };
    localStorage.setItem(KEY, JSON.stringify(left));
  } catch {
    // full or turned off, as for a draft
  }
}

/**
 * Call when the database has changes, or their conversation is deleted.
 * @param {string} id
 * @param {string[]} [names] of the changed values; without them, all
 */
export function forgetChanges(id, names) {
  try {
    const { [id]: before, ...left } = read();
    if (before === undefined) return;
    const rest = Object.entries(before).filter(([name]) => names && !names.includes(name));
    if (rest.length > 0) left[id] = Object.fromEntries(rest);
    if (Object.keys(left).length > 0) localStorage.setItem(KEY, JSON.stringify(left));
    else localStorage.removeItem(KEY);
  } catch {
    // full or turned off
  }
}

/** @param {import("./conversation_store.js").ConversationStore} store open */
export async function storeLeftChanges(store) {
  if (!store.isListRead) return; // a later page does it
  for (const [id, changes] of Object.entries(read())) {
    if (!store.record(id)) {
      forgetChanges(id);
      continue;
    }
    const { title, isPinned, systemPrompt, temperature } = changes;
    await store.changeRecord(id, {
      ...(typeof title === "string" && { title }),
      ...(typeof isPinned === "boolean" && { isPinned }),
      ...(systemPrompt !== undefined && { systemPrompt: systemPrompt ?? undefined }),
      ...(temperature !== undefined && { temperature: temperature ?? undefined }),
    });
  }
}

/** @returns {Record<string, any>} */
function read() {
  return parseObject(localStorage.getItem(KEY) ?? "") ?? {};
}
