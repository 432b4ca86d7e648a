/** An unsent message, stored in this browser: the draft of a conversation, or of an edited question. */

import { isStorageClosed, storageName } from "../browser/page_root.js";

/** @typedef {Pick<import("../conversation/conversation.js").Conversation, "id" | "isEmpty">} DraftOwner */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

export const PREFIX = storageName("draft.1."); // the number is the version of the format
export const IMAGES = ".images"; // the end of the key of a draft's images
/** The lock of tabs that may undo a deletion, for which the images are kept. */
export const UNDO_LOCK = storageName("undo");
const PAUSE_MS = 300; // one write for each burst of typing, and little to lose in a crash

/** Drafts that the browser refused to store, by key, until the page is closed. @type {Map<string, string>} */
const unsaved = new Map();

export class Draft {
  #key;
  #end;
  #onSave;
  #text;
  #stored;
  #isOwn; // whether this tab has changed it; another tab may have stored another text since
  #timer = 0;

  /**
   * @param {DraftOwner} owner all empty conversations share one draft
   * @param {(isSaved: boolean) => void} onSave called with false while the browser refuses this draft or another one: its
   *   storage is full or turned off
   * @param {string} [end] of its key, where it holds something else than the text
   */
  constructor(owner, onSave, end = "") {
    this.owner = owner;
    this.#end = end;
    this.#key = keyOf(owner) + end;
    this.#onSave = onSave;
    this.#text = this.#stored = read(this.#key);
    this.#isOwn = unsaved.has(this.#key);
  }

  get text() {
    return this.#text;
  }

  set text(text) {
    if (text === this.#text) return;
    this.#text = text;
    this.#isOwn = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), PAUSE_MS);
  }

  /** Saves the text now, if this tab has changed it or its conversation is no longer empty. */
  flush() {
    clearTimeout(this.#timer);
    const key = keyOf(this.owner) + this.#end;
    const isMoved = key !== this.#key;
    if (isMoved && read(this.#key) === this.#stored) save(this.#key, "");
    this.#key = key;
    if (isMoved || this.#isOwn) {
      const wouldRemoveAnother = !this.#text && !isMoved && read(key) !== this.#stored; // that of another tab
      if (!wouldRemoveAnother) save(key, this.#text);
      this.#stored = this.#text;
      this.#isOwn = this.#text !== ""; // saved again, an empty text would remove that of another tab
    }
    this.#onSave(![...unsaved.values()].some(Boolean));
  }
}

/**
 * @param {Exchange} exchange
 * @returns {DraftOwner} the owner of the draft of its edited question
 */
export function draftOwnerOf({ id }) {
  return { id, isEmpty: false };
}

/**
 * @param {DraftOwner} from
 * @param {DraftOwner} to
 */
export function moveDraft(from, to) {
  save(keyOf(to), read(keyOf(from)));
  save(keyOf(from), "");
}

/**
 * Removes the drafts of a conversation that is being deleted.
 * @param {DraftOwner & { exchanges: Exchange[] }} conversation
 * @returns {() => void} restores them
 */
export function removeDrafts(conversation) {
  const keys = [conversation, ...conversation.exchanges.map(draftOwnerOf)].map(keyOf);
  keys.push(keyOf(conversation) + IMAGES);
  const texts = keys.map(read);
  for (const key of keys) save(key, "");
  return () => keys.forEach((key, index) => texts[index] && save(key, texts[index])); // another tab may have restored the rest
}

/** @param {DraftOwner} owner */
function keyOf({ id, isEmpty }) {
  return PREFIX + (isEmpty ? "" : id);
}

/** @param {string} key */
function read(key) {
  try {
    return unsaved.get(key) ?? localStorage.getItem(key) ?? "";
  } catch {
    return ""; // turned off; the first save reports it
  }
}

/**
 * @param {string} key
 * @param {string} text
 */
function save(key, text) {
  if (isStorageClosed()) return;
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
    unsaved.delete(key);
  } catch {
    unsaved.set(key, text);
  }
}
