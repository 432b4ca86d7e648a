/** Running answers that another page has requested: follows those that no tab receives, and waits for the end of the others. */

import { askedAt } from "../conversation/conversation.js";
import { INTERRUPTED } from "../conversation/exchange.js";
import { isLocked, waitUntilUnlocked } from "./run.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} Receiver of the answers that this tab receives
 * @property {(exchange: Exchange) => boolean} isReceived
 * @property {(exchange: Exchange) => boolean} isAheadOfStore whether this tab may have more of it than the database
 * @property {(conversation: Conversation, exchange: Exchange) => void} follow receives an answer that the server keeps
 * @property {(conversation: Conversation, exchange: Exchange) => void} askAgain sends a question that may not have been sent
 * @property {(conversation: Conversation) => void} updated an answer that another tab was writing is written no more
 * @property {(id: string) => Promise<Conversation>} read
 */

const ASKED_MS = 60_000; // a question that a closed page may not have sent is sent again within this time
const KEPT_MS = 600_000; // the server's default for how long an answer is kept
const MOST_FOLLOWED = 20; // recent conversations that are read for it, which takes some milliseconds each

export class AnswersElsewhere {
  #store;
  #receiver;
  /** Exchanges whose answers another tab seems to be writing. @type {Set<Exchange>} */
  #watched = new Set();

  /**
   * @param {import("../storage/conversation_store.js").ConversationStore} store
   * @param {Receiver} receiver
   */
  constructor(store, receiver) {
    this.#store = store;
    this.#receiver = receiver;
  }

  /**
   * Follows answers that the server keeps. Waits for the end of others that other tabs are writing, and then updates them.
   * @param {Conversation} conversation
   */
  watch(conversation) {
    for (const exchange of conversation.exchanges) {
      if (exchange.state !== "running" || this.#receiver.isReceived(exchange)) continue;
      if (exchange.run?.id) {
        this.#receiver.follow(conversation, exchange);
      } else if (!this.#watched.has(exchange)) {
        this.#watched.add(exchange);
        void waitUntilUnlocked(exchange.id).then(() => this.#onUnlocked(conversation, exchange));
      }
    }
  }

  /**
   * Follows answers that a closed page has requested, and sends questions that it has not sent any more. Call when the store
   * is open.
   * @param {string} shown left out
   */
  async followRecent(shown) {
    const since = Date.now() - KEPT_MS;
    const recent = this.#store.list.filter(({ id, changed }) => changed > since && id !== shown);
    recent.sort((one, other) => other.changed - one.changed); // an answer that grows is saved again and again
    const followed = recent.slice(0, MOST_FOLLOWED);
    followed.sort((one, other) => askedAt(one) - askedAt(other)); // connections are given in this order
    for (const { id } of followed) await this.followUnreceived(id);
  }

  /** @param {string} id of a conversation, whose running answers are followed if no tab receives them */
  async followUnreceived(id) {
    const stored = await this.#store.load(id);
    const running = stored?.exchanges.filter(({ state, run }) => state === "running" && run && (run.id || mayBeUnsent(run))) ?? [];
    const locked = await Promise.all(running.map((exchange) => isLocked(exchange.id)));
    if (locked.includes(false)) this.watch(await this.#receiver.read(id));
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange no tab is writing it; the database may have its end
   */
  async #onUnlocked(conversation, exchange) {
    this.#watched.delete(exchange);
    if (exchange.state !== "running") return; // its tab has saved how it ended
    const stored = await this.#store.load(conversation.id);
    if (stored) conversation.merge(stored, (each) => this.#receiver.isAheadOfStore(each));
    if (this.#receiver.isReceived(exchange)) return;
    const { run } = exchange;
    if (exchange.state === "running" && run?.id) return this.#receiver.follow(conversation, exchange);
    if (exchange.state === "running" && run && mayBeUnsent(run)) return this.#receiver.askAgain(conversation, exchange);
    // not saved: its own tab, or the next page, may still save more of it
    if (exchange.state === "running") Object.assign(exchange, { state: "failed", failure: INTERRUPTED });
    this.#receiver.updated(conversation);
  }
}

/** @param {import("../conversation/exchange.js").KeptRun} run without an id */
function mayBeUnsent({ asked }) {
  return Date.now() - asked < ASKED_MS;
}
