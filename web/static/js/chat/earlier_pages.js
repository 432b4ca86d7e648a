/** Takes over what earlier pages have stored in other forms. Loaded where there is something. */

import { conversationInAddress, replaceAddress } from "../browser/address.js";
import { deleteLegacyConversation, readLegacyConversation } from "../storage/legacy_conversation.js";
import { storeBackedUpChanges } from "../storage/record_backup.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */

/**
 * @param {ConversationStore} store open
 * @param {Chat} chat
 */
export async function takeOver(store, chat) {
  await storeBackedUpChanges(store);
  await chat.refresh(chat.conversation.id);
  await addLegacyConversation(store, chat);
}

/**
 * Adds the only conversation of version 0.1.0. It is shown, unless another one is.
 * @param {ConversationStore} store
 * @param {Chat} chat
 */
async function addLegacyConversation(store, chat) {
  const legacy = readLegacyConversation();
  if (!legacy) return;
  if (chat.conversation.isEmpty && !conversationInAddress()) chat.show(legacy);
  await store.add([legacy]);
  const isPending = legacy.exchanges.some((exchange) => store.hasPendingWrite(exchange));
  // each reading gives it new ids, so it must not be read again
  if (!isPending || store.backUp()) deleteLegacyConversation();
  if (chat.conversation === legacy) replaceAddress(legacy.id);
}
