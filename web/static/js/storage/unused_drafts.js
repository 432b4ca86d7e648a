/** Removes drafts of conversations and edited questions that are not in this browser any more. Loaded after the first interaction. */

import { IMAGES, PREFIX } from "./draft.js";
import { unusedForLong } from "./unused.js";

/** @param {import("./conversation_store.js").ConversationStore} store */
export async function deleteUnusedDrafts(store) {
  await store.whenOpened();
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX) && ownerIn(key) && !store.record(ownerIn(key)));
  /** @type {Set<string>} */
  const known = new Set();
  const isRead = keys.length === 0 || (await store.visit(({ id, conversation }) => known.add(id).add(conversation)));
  if (!isRead) return;
  for (const key of unusedForLong("drafts", keys.filter((each) => !known.has(ownerIn(each))))) localStorage.removeItem(key);
}

/** @param {string} key @returns {string} the id of a conversation or an exchange; empty for new conversations */
function ownerIn(key) {
  return key.slice(PREFIX.length).replace(IMAGES, "");
}
