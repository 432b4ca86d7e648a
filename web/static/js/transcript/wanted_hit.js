/** The result of a search that is shown when its conversation has been read. */

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../storage/search_query.js").SearchHit} SearchHit */

/**
 * @typedef {object} HitEvents
 * @property {(exchange: string) => HTMLElement | undefined} reveal shows the branch with an exchange; undefined if it was deleted
 * @property {(element: Element, block: "start" | "center") => void} scrollTo
 * @property {(top: number) => void} scrollBy pixels down
 * @property {(conversation: Conversation) => boolean} isCurrent whether the conversation is shown
 */

export class WantedHit {
  #log;
  #parts;
  #events;
  /** @type {{ id: string, hit: SearchHit } | null} */
  #wanted = null;
  /** Removes the marks in the text, once there may be some. */
  clear = () => {};

  /**
   * @param {HTMLElement} log
   * @param {import("../ui/part_loader.js").PartLoader} parts
   * @param {HitEvents} events
   */
  constructor(log, parts, events) {
    this.#log = log;
    this.#parts = parts;
    this.#events = events;
  }

  /**
   * @param {string} conversation
   * @param {SearchHit | null} hit null for one that was not found in an exchange
   */
  want(conversation, hit) {
    this.#wanted = hit && { id: conversation, hit };
  }

  /** Shows it, if it is in this conversation. @param {Conversation} conversation the shown one */
  async show(conversation) {
    if (this.#wanted?.id !== conversation.id || conversation.contents !== "read") return;
    const { hit } = this.#wanted;
    this.#wanted = null;
    const element = this.#events.reveal(hit.exchange);
    if (!element) return;
    const part = await this.#parts.load(() => import("./search_hit.js"));
    if (!part) return;
    this.clear = part.clearHit;
    void part.showHit(this.#log, element, hit, {
      scrollTo: this.#events.scrollTo,
      scrollBy: this.#events.scrollBy,
      isWanted: () => element.isConnected && this.#events.isCurrent(conversation),
    });
  }
}
