/**
 * A backup of changes of records in localStorage: of a title or instructions that were being typed while the page was
 * unloaded, and of changes for which the database has no room. IndexedDB writes may not finish while a page is unloaded;
 * writes to localStorage are synchronous. The next page stores the changes, and they stay here until the database has them.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { parseObject } from "../api/failure.js";

/** @typedef {import("./database.js").RecordChanges} RecordChanges */

const KEY = storageName("left"); // stored in browsers: renaming it would lose changes

/**
 * Call while the page is unloaded, or when the database has refused the changes.
 * @param {string} id of a conversation
 * @param {RecordChanges} changes
 */
export function backUpChanges(id, changes) {
  if (isStorageClosed()) return;
  try {
    const all = read();
    const before = all[id] ?? {};
    // JSON has no undefined, which removes a value
    all[id] = { ...before, ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value ?? null])) };
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // full or turned off, as for a draft
  }
}

/**
 * Call when the database has changes, or their conversation is deleted.
 * @param {string} id
 * @param {string[]} [names] of the changed values; without them, all
 */
export function deleteBackedUpChanges(id, names) {
  try {
    const { [id]: before, ...others } = read();
    if (before === undefined) return;
    const rest = Object.entries(before).filter(([name]) => names && !names.includes(name));
    if (rest.length > 0) others[id] = Object.fromEntries(rest);
    if (Object.keys(others).length > 0) localStorage.setItem(KEY, JSON.stringify(others));
    else localStorage.removeItem(KEY);
  } catch {
    // full or turned off
  }
}

/** @param {import("./conversation_store.js").ConversationStore} store open */
export async function storeBackedUpChanges(store) {
  if (!store.isListRead) return; // a later page does it
  for (const [id, changes] of Object.entries(read())) {
    if (!store.record(id)) {
      deleteBackedUpChanges(id);
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
