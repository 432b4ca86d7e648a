/** The conversation id in the page's address. A reload, another tab and the back button open that conversation. */

const PATTERN = /^#\/c\/([\w-]{1,64})$/;

/** @param {string} conversation */
export function addressOf(conversation) {
  return `#/c/${conversation}`;
}

/** @returns {string | null} null for a new conversation */
export function conversationInAddress() {
  return PATTERN.exec(location.hash)?.[1] ?? null;
}

/**
 * Puts a conversation into the address, without a new entry in the browser's history.
 * @param {string | null} conversation
 */
export function replaceAddress(conversation) {
  history.replaceState(null, "", conversation ? addressOf(conversation) : location.pathname + location.search);
}

/** Puts a conversation into the address. The back button returns to the previous one. @param {string} conversation */
export function pushAddress(conversation) {
  if (conversationInAddress() !== conversation) history.pushState(null, "", addressOf(conversation));
}

/** Removes the conversation from the address. The back button returns to it. */
export function pushEmptyAddress() {
  if (conversationInAddress()) history.pushState(null, "", location.pathname + location.search);
}
