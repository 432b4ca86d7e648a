/** Conversations with an answer that has ended while another one was shown, in all tabs of this browser. */

import { isStorageClosed, storageName } from "../browser/page_root.js";

const KEY = storageName("unseen");
const MAX = 200; // deleted conversations stay in the list

export class UnseenAnswers {
  /** @type {Set<string>} */
  #ids = new Set(stored());

  /** @param {() => void} changed called when another tab has changed them */
  constructor(changed) {
    addEventListener("storage", ({ key }) => {
      if (key !== KEY) return;
      this.#ids = new Set(stored());
      changed();
    });
  }

  /** @param {string} conversation @returns {boolean} whether it has such an answer */
  has(conversation) {
    return this.#ids.has(conversation);
  }

  /** @param {string} conversation */
  add(conversation) {
    this.#ids.add(conversation);
    this.#store();
  }

  /** Call when the conversation is shown. @param {string} conversation */
  delete(conversation) {
    if (this.#ids.delete(conversation)) this.#store();
  }

  #store() {
    if (isStorageClosed()) return;
    try {
      if (this.#ids.size > 0) localStorage.setItem(KEY, JSON.stringify([...this.#ids].slice(-MAX)));
      else localStorage.removeItem(KEY);
    } catch {
      // full or turned off: then a reload removes the marks
    }
  }
}

/** @returns {string[]} */
function stored() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(ids) ? ids : [];
  } catch {
    return []; // turned off, or written by another program
  }
}
