/** Changes that are not in the database yet. Without a database, all conversations are here. */

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./database.js").ExchangeRecord} ExchangeRecord */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

export class PendingWrites {
  /** @type {Map<string, ConversationRecord>} */
  #records = new Map();
  /** @type {Map<string, { exchange: Exchange, conversation: string }>} */
  #exchanges = new Map();

  get isEmpty() {
    return this.#records.size === 0;
  }

  get records() {
    return [...this.#records.values()];
  }

  /** Copies of the current state, including answers that still grow. @returns {ExchangeRecord[]} */
  get exchanges() {
    return [...this.#exchanges.values()].map(({ exchange, conversation }) => ({ ...exchange, conversation }));
  }

  /**
   * @param {ConversationRecord} record
   * @param {Exchange[]} exchanges
   */
  add(record, exchanges) {
    this.#records.set(record.id, record);
    for (const exchange of exchanges) this.#exchanges.set(exchange.id, { exchange, conversation: record.id });
  }

  /** @param {string} exchange */
  has(exchange) {
    return this.#exchanges.has(exchange);
  }

  /** @param {string} conversation */
  record(conversation) {
    return this.#records.get(conversation);
  }

  /** @param {string} conversation */
  exchangesOf(conversation) {
    return [...this.#exchanges.values()].filter((each) => each.conversation === conversation);
  }

  /** @returns {PendingWrites[]} the changes of each conversation */
  split() {
    return this.records.map((record) => {
      const part = new PendingWrites();
      part.add(record, this.exchangesOf(record.id).map(({ exchange }) => exchange));
      return part;
    });
  }

  /** @param {string} conversation */
  drop(conversation) {
    this.#records.delete(conversation);
    for (const { exchange } of this.exchangesOf(conversation)) this.#exchanges.delete(exchange.id);
  }

  /** @param {string} exchange */
  dropExchange(exchange) {
    this.#exchanges.delete(exchange);
  }

  /**
   * Adds changes that could not be written. Changes added since then are newer and win.
   * @param {PendingWrites} earlier
   */
  restore(earlier) {
    this.#records = new Map([...earlier.#records, ...this.#records]);
    this.#exchanges = new Map([...earlier.#exchanges, ...this.#exchanges]);
  }
}
