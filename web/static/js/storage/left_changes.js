/**
 * What was being typed about a conversation when its page was left: its title, its instructions. IndexedDB writes may not
 * finish then; writes to localStorage are synchronous. The next page stores it.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { parseObject } from "../api/failure.js";

/** @typedef {import("./database.js").RecordChanges} RecordChanges */

const KEY = storageName("left");

/**
 * Call while the page is left.
 * @param {string} id of a stored conversation
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

/** @param {import("./conversation_store.js").ConversationStore} store open */
export async function storeLeftChanges(store) {
  if (!store.isListRead) return; // a later page does it
  const left = read();
  localStorage.removeItem(KEY);
  for (const [id, changes] of Object.entries(left)) {
    const { title, systemPrompt, temperature } = changes;
    await store.changeRecord(id, {
      ...(typeof title === "string" && { title }),
      ...(systemPrompt !== undefined && { systemPrompt: systemPrompt ?? undefined }),
      ...(temperature !== undefined && { temperature: temperature ?? undefined }),
    });
  }
}

/** @returns {Record<string, any>} */
function read() {
  return parseObject(localStorage.getItem(KEY) ?? "") ?? {};
}
