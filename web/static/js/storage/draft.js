/** What has been written and not yet sent, kept in this browser: in one conversation, or in the place of one question. */

/** @typedef {Pick<import("../conversation/conversation.js").Conversation, "id" | "empty">} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

const PREFIX = "sluice.draft.1."; // the number is the form's; another form gets another number
const PAUSE_MS = 300; // one write for each burst of typing, and little to lose where the browser dies

/** What the browser refused to keep, for as long as the page lives. @type {Map<string, string>} */
const held = new Map();

export class Draft {
  #key;
  #notKept;
  #text;
  #timer = 0;

  /**
   * @param {Conversation} conversation where it is written; one that has not begun shares its draft with all such
   * @param {() => void} notKept called where the browser refuses: its storage is full, or switched off
   */
  constructor(conversation, notKept) {
    this.conversation = conversation;
    this.#key = keyOf(conversation);
    this.#notKept = notKept;
    this.#text = read(this.#key);
  }

  get text() {
    return this.#text;
  }

  set text(text) {
    if (text === this.#text) return;
    this.#text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), PAUSE_MS);
  }

  /** Keeps now what is still waiting to be kept. */
  flush() {
    clearTimeout(this.#timer);
    const key = keyOf(this.conversation);
    if (key !== this.#key) save(this.#key, ""); // the conversation has begun, and takes its draft along
    this.#key = key;
    if (!save(key, this.#text)) this.#notKept();
  }
}

/**
 * @param {Exchange} exchange
 * @returns {Conversation} the place of its question, as a draft knows places
 */
export function placeOf({ id }) {
  return { id, empty: false };
}

/**
 * @param {Conversation} from
 * @param {Conversation} to
 */
export function moveDraft(from, to) {
  save(keyOf(to), read(keyOf(from)));
  save(keyOf(from), "");
}

/**
 * Removes the drafts of a conversation that is being deleted.
 * @param {Conversation & { exchanges: Exchange[] }} conversation
 * @returns {() => void} brings them back
 */
export function takeDrafts(conversation) {
  const keys = [conversation, ...conversation.exchanges.map(placeOf)].map(keyOf);
  const texts = keys.map(read);
  for (const key of keys) save(key, "");
  return () => keys.forEach((key, index) => save(key, texts[index] ?? ""));
}

/** @param {Conversation} conversation */
function keyOf({ id, empty }) {
  return PREFIX + (empty ? "" : id);
}

/** @param {string} key */
function read(key) {
  try {
    return held.get(key) ?? localStorage.getItem(key) ?? "";
  } catch {
    return ""; // switched off; the first save says so
  }
}

/**
 * @param {string} key
 * @param {string} text
 */
function save(key, text) {
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
    held.delete(key);
    return true;
  } catch {
    held.set(key, text);
    return false;
  }
}
