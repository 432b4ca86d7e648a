/** Which conversation the page's address names, so that a reload, a second tab and the back button find it. */

const PATTERN = /^#\/c\/([\w-]{1,64})$/;

/** @param {string} conversation */
export function addressOf(conversation) {
  return `#/c/${conversation}`;
}

/** @returns {string | null} null for a new one */
export function conversationInAddress() {
  return PATTERN.exec(location.hash)?.[1] ?? null;
}

/**
 * Names a conversation in the address, without a step in the browser's history.
 * @param {string | null} conversation
 */
export function replaceAddress(conversation) {
  history.replaceState(null, "", conversation ? addressOf(conversation) : location.pathname + location.search);
}

/** Leaves the conversation's address; the back button returns to it. */
export function pushEmptyAddress() {
  if (conversationInAddress()) history.pushState(null, "", location.pathname + location.search);
}
