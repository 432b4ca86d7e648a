/** Keeps the conversation where it is while something is above the whole window, such as a dialog. */

import { scroller } from "../browser/page_root.js";

/** What is above it now. @type {Set<Element>} */
const above = new Set();
/** What is to be undone. @type {(() => void)[]} */
const locked = [];

/**
 * @param {Element} element
 * @param {boolean} isOpen whether it is above the conversation now
 */
export function lockScrolling(element, isOpen) {
  if (isOpen) above.add(element);
  else above.delete(element);
  if (above.size === 0) for (const unlock of locked.splice(0)) unlock();
  else if (locked.length === 0) for (const each of new Set([document.documentElement, scroller])) lock(each);
}

/** @param {HTMLElement} element that may scroll: also the page around the chat */
function lock({ style, scrollHeight, clientHeight }) {
  const { overflow, scrollbarGutter } = style;
  style.overflow = "hidden";
  // the text keeps its width where scrollbars have one
  if (scrollHeight > clientHeight) style.scrollbarGutter = "stable";
  locked.push(() => Object.assign(style, { overflow, scrollbarGutter }));
}
