/** What has been written and not yet sent, kept in this browser for one conversation. */

/** @typedef {Pick<import("./conversation.js").Conversation, "id" | "empty">} Conversation */

const PREFIX = "sluice.draft.1."; // the number is the form's; another form gets another number
const PAUSE_MS = 300; // one write for each burst of typing, and little to lose where the browser dies

export class Draft {
  #key;
  #notKept;
  #text;
  #timer = 0;

  /**
   * @param {Conversation} conversation one that has not begun shares its draft with all that have not
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
 * Removes the draft of a conversation that is being deleted.
 * @param {Conversation} conversation
 * @returns {() => void} brings it back
 */
export function takeDraft(conversation) {
  const key = keyOf(conversation);
  const text = read(key);
  save(key, "");
  return () => void save(key, text);
}

/** @param {Conversation} conversation */
function keyOf({ id, empty }) {
  return PREFIX + (empty ? "" : id);
}

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(key) ?? "";
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
    return true;
  } catch {
    return false;
  }
}
