/** What is yet to be written to the database. Where there is none, this is where everything is. */

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

  /** As they are now: a growing answer is written as far as it has come. @returns {ExchangeRecord[]} */
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
   * Takes back what could not be written; what has been added since is the newer.
   * @param {PendingWrites} earlier
   */
  restore(earlier) {
    this.#records = new Map([...earlier.#records, ...this.#records]);
    this.#exchanges = new Map([...earlier.#exchanges, ...this.#exchanges]);
  }
}
