/** Which answers wait for the reader's permission: the tabs of this page tell each other of those that they receive. */

import { storageName } from "../browser/page_root.js";
import { waitUntilUnlocked } from "./run.js";

/** @typedef {NonNullable<import("../conversation/answer_parts.js").ToolCall["decision"]>} Decision */

/**
 * @typedef {{ kind: "asked" } | { kind: "awaiting" | "over", exchange: string, conversation: string }
 *   | { kind: "decided", exchange: string, call: string, decision: Decision }} PermissionMessage
 *
 * @typedef {object} PermissionEvents of other tabs
 * @property {() => void} changed `conversations` has changed
 * @property {(exchange: string, call: string, decision: Decision) => void} decided
 * @property {(conversation: string) => Promise<void>} left a tab was closed, whose answer waits
 */

export class TabPermissions {
  #channel = new BroadcastChannel(storageName("permissions"));
  #events;
  /** Conversations by the exchange whose answer waits in this tab. @type {Map<string, string>} */
  #own = new Map();
  /** The same of other tabs. @type {Map<string, string>} */
  #others = new Map();

  /** @param {PermissionEvents} events */
  constructor(events) {
    this.#events = events;
    this.#channel.addEventListener("message", ({ data }) => this.#receive(data));
    this.#post({ kind: "asked" });
  }

  /** The conversations with an answer that waits in another tab. */
  get conversations() {
    return this.#others.values();
  }

  /**
   * Tells the other tabs whether an answer that this tab receives waits for a permission.
   * @param {string} exchange
   * @param {string} conversation
   * @param {boolean} isAwaiting
   */
  tell(exchange, conversation, isAwaiting) {
    if (isAwaiting === this.#own.has(exchange)) return;
    if (isAwaiting) this.#own.set(exchange, conversation);
    else this.#own.delete(exchange);
    this.#post({ kind: isAwaiting ? "awaiting" : "over", exchange, conversation });
  }

  /**
   * Tells the other tabs what was decided here.
   * @param {string} exchange
   * @param {string} call
   * @param {Decision} decision
   */
  tellDecision(exchange, call, decision) {
    this.#post({ kind: "decided", exchange, call, decision });
  }

  /** Call before the page is unloaded. Web Locks tell the other tabs of that, but plain http has none. */
  leave() {
    if (navigator.locks) return;
    for (const [exchange, conversation] of this.#own) this.#post({ kind: "over", exchange, conversation });
  }

  /** @param {PermissionMessage} message */
  #receive(message) {
    if (message.kind === "decided") return this.#events.decided(message.exchange, message.call, message.decision);
    if (message.kind === "asked") return this.#own.forEach((conversation, exchange) => this.#post({ kind: "awaiting", exchange, conversation }));
    const { kind, exchange, conversation } = message;
    const own = this.#own.get(exchange);
    // that tab has lost its connection, or is ahead of this one
    if (kind === "over" && own) this.#post({ kind: "awaiting", exchange, conversation: own });
    if ((kind === "awaiting") === this.#others.has(exchange)) return;
    if (kind === "over") this.#others.delete(exchange);
    else {
      this.#others.set(exchange, conversation);
      void this.#waitForClosing(exchange, conversation);
    }
    this.#events.changed();
  }

  /**
   * @param {string} exchange
   * @param {string} conversation
   */
  async #waitForClosing(exchange, conversation) {
    if (!navigator.locks) return;
    await waitUntilUnlocked(exchange);
    if (!this.#others.has(exchange)) return; // its tab has told that it is over
    await this.#events.left(conversation);
    this.#others.delete(exchange);
    this.#post({ kind: "asked" }); // a third tab may receive it
    this.#events.changed();
  }

  /** @param {PermissionMessage} message */
  #post(message) {
    this.#channel.postMessage(message);
  }
}
