/**
 * Has all tabs keep the images that no stored question has, until this page is left: it may undo a deletion, or hold a question
 * for which the storage has no room. Plain http has no Web Locks.
 */

import { storageName } from "../browser/page_root.js";

const LOCK = storageName("undo");

let isHeld = false;

/** Call before a deletion that may be undone, and when the storage has failed. */
export function holdImages() {
  if (!isHeld) void navigator.locks?.request(LOCK, { mode: "shared" }, () => new Promise(() => undefined));
  isHeld = true;
}

/** @returns {Promise<boolean>} whether some tab has them kept */
export async function areImagesHeld() {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return held.some(({ name }) => name === LOCK);
}
