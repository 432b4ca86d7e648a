/** The conversation id in the page's address. A reload, another tab and the back button open that conversation. */

// All addresses are whole, because a surrounding page may have a `base` element.

import { storageName } from "./page_root.js";

const REMEMBERED = storageName("return");
const PATTERN = /^#\/c\/([\w-]{1,64})$/;

/** @param {string} conversation */
export function addressOf(conversation) {
  return `${location.pathname}${location.search}#/c/${conversation}`;
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
  if (conversation) history.replaceState(null, "", addressOf(conversation));
  else if (conversationInAddress()) history.replaceState(null, "", location.pathname + location.search);
}

/** Puts a conversation into the address. The back button returns to the previous one. @param {string} conversation */
export function pushAddress(conversation) {
  if (conversationInAddress() !== conversation) history.pushState(null, "", addressOf(conversation));
}

/** Removes the conversation from the address. The back button returns to it. */
export function pushEmptyAddress() {
  if (conversationInAddress()) history.pushState(null, "", location.pathname + location.search);
}

/** Keeps the address in this tab while a sign-in, which would lose it, replaces the page. */
function rememberAddress() {
  try {
    sessionStorage.setItem(REMEMBERED, conversationInAddress() ?? "");
  } catch {
    // turned off: the reader chooses the conversation from the list
  }
}

/** Loads the page again. The application may then redirect to its sign-in, with the way back. */
export function reloadHere() {
  rememberAddress();
  location.reload();
}

/** Restores a remembered address, once. */
export function restoreAddress() {
  try {
    const conversation = sessionStorage.getItem(REMEMBERED);
    sessionStorage.removeItem(REMEMBERED);
    if (conversation && !conversationInAddress()) replaceAddress(conversation);
  } catch {
    // turned off
  }
}
