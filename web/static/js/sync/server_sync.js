/**
 * Keeps this browser's conversations and those that the application keeps for its user the same. This browser's come
 * first: without the server, all works and is sent later. Two devices merge as two tabs do: of two versions of an
 * exchange the later wins, and what only one of them has deleted or added is deleted or added.
 */

import { storageName } from "../browser/page_root.js";
import { Conversation } from "../conversation/conversation.js";
import { deleteConversation, listVersions, loadConversation, saveConversation, SyncError } from "./server_conversations.js";
import { baseOf, changedIds, changeOf, clearMark, markOf, setBase, setChange, syncedIds } from "./sync_state.js";

/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("./sync_state.js").Change} Change */

/**
 * @typedef {object} SyncEvents
 * @property {(id: string) => boolean} isUnnamed whether an answer is being written that the server does not keep, or not
 *   yet. It is sent when it is complete, or when other devices can follow it.
 * @property {(id: string) => void} changed another device has changed a conversation
 * @property {(id: string) => void} deleted another device has deleted one
 */

const PAUSE_MS = 1000; // one request for several changes in a row
const AWAITING_MS = 5000; // between two looks whether another device has given a permission
const ATTEMPTS = 3; // to save what other devices change meanwhile; the next round tries again

export class ServerSync {
  #store;
  #events;
  #timer = 0;
  #awaiting = 0;
  /** Conversations that the server refuses as too large, until they change. @type {Set<string>} */
  #tooLarge = new Set();

  /**
   * @param {ConversationStore} store
   * @param {SyncEvents} events
   */
  constructor(store, events) {
    this.#store = store;
    this.#events = events;
    addEventListener("online", () => void this.sync());
    document.addEventListener("visibilitychange", () => void (document.visibilityState === "visible" && this.sync()));
    void this.sync();
  }

  /**
   * Keeps in mind that this browser has changed a conversation, and sends it soon.
   * @param {string} id
   * @param {Change} change
   */
  mark(id, change) {
    setChange(id, change);
    this.#tooLarge.delete(id);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.sync(), PAUSE_MS);
  }

  /**
   * Whether a tool waits for a permission here. Another device may give it, of which no event of the answer tells: until
   * then, this page looks for changes again and again.
   * @param {boolean} isAwaiting
   */
  set isAwaiting(isAwaiting) {
    if (isAwaiting === this.#awaiting > 0) return;
    clearInterval(this.#awaiting);
    const look = () => document.visibilityState === "visible" && void this.sync();
    this.#awaiting = isAwaiting ? setInterval(look, AWAITING_MS) : 0;
  }

  /** Does one round, after those of other tabs. Ends early if the server cannot be reached. */
  async sync() {
    const work = () => this.#round();
    try {
      await (navigator.locks ? navigator.locks.request(storageName("sync"), work) : work());
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
    }
  }

  async #round() {
    await this.#store.whenOpened();
    for (const id of changedIds()) if (changeOf(id) === "deleted") await this.#deleteThere(id);
    const versions = await listVersions();
    const here = new Set(this.#store.list.map(({ id }) => id));
    for (const id of syncedIds()) if (!versions.has(id)) await this.#onMissingThere(id, here.has(id));
    for (const [id, version] of versions) {
      if (baseOf(id)?.version !== version || !here.has(id)) await this.#pull(id);
    }
    for (const { id, changed } of this.#store.list) {
      const base = baseOf(id);
      if (!base || changeOf(id) || changed > base.changed) await this.#push(id);
    }
  }

  /** @param {string} id */
  async #deleteThere(id) {
    const mark = markOf(id);
    await deleteConversation(id);
    setBase(id, null);
    clearMark(id, mark);
  }

  /**
   * @param {string} id the server had it
   * @param {boolean} isHere
   */
  async #onMissingThere(id, isHere) {
    setBase(id, null);
    if (!isHere || changeOf(id)) return; // changed here since: it is sent again
    if (await this.#store.delete(id, { isFromServer: true })) this.#events.deleted(id);
  }

  /** Takes over what other devices have changed. @param {string} id */
  async #pull(id) {
    const found = await loadConversation(id);
    if (!found) return; // deleted since the list was read
    const { conversation: there, version } = found;
    const here = await this.#store.load(id);
    if (here === undefined) throw new SyncError("the database failed");
    if (changeOf(id) === "deleted") return;
    const base = baseOf(id)?.exchanges ?? {};
    const known = new Set(here?.exchanges.map((exchange) => exchange.id));
    const wanted = there.exchanges.filter((each) => !here || known.has(each.id) || !(each.id in base));
    await this.#store.add([new Conversation(there.record, wanted)], { isFromServer: true });
    if (here) {
      const kept = new Set(there.exchanges.map((exchange) => exchange.id));
      for (const exchange of here.exchanges) {
        const known = base[exchange.id];
        if (kept.has(exchange.id) || known === undefined || exchange.changed > known) continue;
        here.remove(exchange);
        await this.#store.deleteExchange(here, exchange, { isFromServer: true });
      }
      const { title, isPinned = false, systemPrompt, temperature } = there.record;
      const changes = { title, isPinned, systemPrompt, temperature };
      const before = { isPinned: false, ...here.record };
      const differs = Object.entries(changes).some(([name, value]) => value !== before[/** @type {keyof typeof changes} */ (name)]);
      if (differs && changeOf(id) !== "record") await this.#store.changeRecord(id, changes, { isFromServer: true });
    }
    const changed = this.#store.record(id)?.changed ?? 0;
    setBase(id, { version, changed, exchanges: timesOf(there) });
    this.#events.changed(id);
  }

  /** Sends what this browser has changed. @param {string} id */
  async #push(id) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (this.#tooLarge.has(id) || this.#events.isUnnamed(id)) return;
      const mark = markOf(id);
      const saved = await this.#save(id);
      if (saved === "done") return clearMark(id, mark); // a change since then is sent by a later round
      if (saved === "tooLarge") return void this.#tooLarge.add(id);
      await this.#pull(id);
    }
  }

  /** @param {string} id */
  async #save(id) {
    await this.#store.flush();
    const here = await this.#store.load(id);
    if (!here || here.isEmpty) return "done";
    const times = timesOf(here);
    const { changed } = here.record;
    const saved = await saveConversation(here, baseOf(id)?.version ?? null);
    if (typeof saved === "string") return saved;
    setBase(id, { version: saved.version, changed, exchanges: times });
    return "done";
  }
}

/** @param {Conversation} conversation */
function timesOf({ exchanges }) {
  return Object.fromEntries(exchanges.map(({ id, changed }) => [id, changed]));
}
