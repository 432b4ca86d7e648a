/**
 * An unsent message, stored in this browser: the draft of a conversation, or of an edited question, or the list of its
 * images. If several tabs write one, that of each is kept.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { newIdentifier } from "../conversation/identifier.js";
import { parseObject } from "../api/failure.js";

/** @typedef {Pick<import("../conversation/conversation.js").Conversation, "id" | "isEmpty">} DraftOwner */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */

export const PREFIX = storageName("draft.1."); // the number is the version of the format
export const IMAGES = ".images"; // the end of the key of a draft's images
const TAB = storageName("tab");
const SEVERAL = "\u001e"; // before texts of several tabs, which are JSON; a text of one tab is stored as it is
const GAP = "\n\n"; // between the texts of several tabs; JSON has none
const PAUSE_MS = 300; // one write for each burst of typing, and little to lose in a crash

/** Drafts that the browser refused to store, by key, until the page is closed. @type {Map<string, string>} */
const unsaved = new Map();

/** Names this tab in the drafts that other tabs write as well; empty until it does. A duplicated tab has it, too. */
let tabName = "";
try {
  tabName = sessionStorage.getItem(TAB) ?? "";
} catch {
  // turned off: then a reload reads the texts of all tabs
}

export class Draft {
  #key;
  #end;
  #onSave;
  #text;
  /** What it stands for in the storage: texts by the names of the tabs that stored them. @type {Map<string, string>} */
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
    const all = textsIn(read(this.#key));
    const own = tabName && all.get(tabName);
    this.#stored = own ? new Map([[tabName, own]]) : all;
    this.#text = joined(this.#stored);
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

  /** Whether another tab has sent or removed the text since this one has read it; false if this one has changed it. */
  get isTaken() {
    if (this.#isOwn || !this.#text) return false;
    const all = textsIn(read(this.#key));
    return ![...this.#stored.keys()].some((name) => all.has(name));
  }

  /** Saves the text now, if this tab has changed it or its conversation is no longer empty. */
  flush() {
    clearTimeout(this.#timer);
    const key = keyOf(this.owner) + this.#end;
    const isMoved = key !== this.#key;
    if (isMoved) this.#store("");
    this.#key = key;
    if (isMoved || this.#isOwn) {
      this.#store(this.#text);
      this.#isOwn = this.#text !== ""; // saved again, an empty text would remove that of another tab
    }
    this.#onSave(![...unsaved.values()].some(Boolean));
  }

  /** Stores a text in the place of what it stands for. What other tabs have stored since stays. @param {string} text */
  #store(text) {
    const all = textsIn(read(this.#key));
    for (const [name, stored] of this.#stored) if (all.get(name) === stored) all.delete(name);
    this.#stored.clear();
    if (text) {
      // once it has a name, also where it is alone: the texts of others may be restored beside it
      const name = tabName && !all.has(tabName) ? tabName : all.size === 0 ? "" : nameTab();
      all.set(name, text);
      this.#stored.set(name, text);
    }
    save(this.#key, valueOf(all));
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
  const keys = [keyOf(conversation) + IMAGES, ...[conversation, ...conversation.exchanges.map(draftOwnerOf)].map(keyOf)];
  const values = keys.map(read);
  for (const key of keys) save(key, "");
  return () => values.forEach((value, index) => addTexts(keys[index] ?? "", textsIn(value)));
}

/**
 * @param {string} key
 * @param {Map<string, string>} texts added to those that another tab may have stored or restored
 */
function addTexts(key, texts) {
  const all = textsIn(read(key));
  for (const [name, text] of texts) {
    if (![...all.values()].includes(text)) all.set(all.has(name) ? newIdentifier() : name, text);
  }
  save(key, valueOf(all));
}

/** @param {string} value as it is stored @returns {Map<string, string>} the texts by the names of their tabs; alone, it has none */
function textsIn(value) {
  const several = value.startsWith(SEVERAL) ? parseObject(value.slice(SEVERAL.length)) : null;
  return new Map(Object.entries(/** @type {Record<string, string> | null} */ (several) ?? (value ? { "": value } : {})));
}

/** @param {Map<string, string>} texts @returns {string} one text of all */
function joined(texts) {
  return [...texts.values()].join(GAP);
}

/** @param {string} value as it is stored @returns {ImageReference[]} those of all tabs */
export function imagesStoredIn(value) {
  return imagesIn(joined(textsIn(value)));
}

/** @param {string} text of a draft of images @returns {ImageReference[]} */
export function imagesIn(text) {
  /** @type {ImageReference[]} */
  const all = text.split(GAP).flatMap((list) => (list ? JSON.parse(list) : []));
  return [...new Map(all.map((each) => [each.id, each])).values()]; // several tabs may have read the same ones
}

/** @param {Map<string, string>} texts @returns {string} */
function valueOf(texts) {
  const [[name, text] = ["", ""]] = texts;
  const isPlain = texts.size < 2 && !name && !text.startsWith(SEVERAL);
  return isPlain ? text : SEVERAL + JSON.stringify(Object.fromEntries(texts));
}

/** @returns {string} */
function nameTab() {
  tabName = newIdentifier();
  try {
    sessionStorage.setItem(TAB, tabName);
  } catch {
    // turned off
  }
  return tabName;
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
