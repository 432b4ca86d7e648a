/**
 * A conversation: a tree of exchanges. Those with the same parent are branches: other wordings of a question, or
 * other answers to it. At each fork one is chosen, and the chosen ones make the path that is shown. Pure data; knows
 * no DOM, no network and no storage.
 */

import { isTold, newExchange } from "./exchange.js";
import { newIdentifier } from "./identifier.js";
import { titleFrom } from "./title.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */
/** @typedef {import("../api/chat_request.js").Message} Message */

/**
 * @typedef {object} ConversationRecord all of a conversation but its exchanges
 * @property {string} id
 * @property {string} title
 * @property {number} created milliseconds since 1970
 * @property {number} changed milliseconds since 1970
 * @property {Record<string, string>} choices the chosen exchange after each one; "" stands for the beginning
 *
 * @typedef {object} Versions the branches beside one exchange, itself among them, oldest first
 * @property {Exchange[]} questions one for each wording of the question
 * @property {Exchange[]} answers those with the same question
 *
 * @typedef {object} Removal what undoing needs
 * @property {Exchange} exchange
 * @property {Exchange[]} children
 * @property {string | undefined} choice
 */

const BEGINNING = "";

export class Conversation {
  /** @type {Map<string, Exchange>} */
  #exchanges = new Map();
  /** Siblings by their parent, oldest first; null when it has to be made anew. @type {Map<string | null, Exchange[]> | null} */
  #siblings = null;

  /**
   * @param {ConversationRecord} [record]
   * @param {Iterable<Exchange>} [exchanges]
   */
  constructor(record = newRecord(), exchanges = []) {
    this.record = record;
    for (const exchange of exchanges) this.#exchanges.set(exchange.id, exchange);
    this.#adoptOrphans();
  }

  get id() {
    return this.record.id;
  }

  get empty() {
    return this.#exchanges.size === 0;
  }

  /** Every exchange, of all branches, oldest first. */
  get exchanges() {
    return [...this.#exchanges.values()].sort((one, other) => one.created - other.created);
  }

  /** The exchanges that are shown, first to last. */
  get path() {
    const path = [];
    for (let next = this.#chosenAfter(null); next; next = this.#chosenAfter(next.id)) path.push(next);
    return path;
  }

  /**
   * Asks on at the end of the shown path.
   * @param {string} question
   * @returns {Exchange}
   */
  begin(question) {
    return this.#add(newExchange(question, this.path.at(-1)?.id ?? null));
  }

  /**
   * Makes another branch beside an exchange.
   * @param {Exchange} exchange
   * @param {string} [question] another wording
   * @returns {Exchange}
   */
  branch(exchange, question = exchange.question) {
    return this.#add(newExchange(question, exchange.parent));
  }

  /** @param {Exchange} exchange is shown from here on, instead of its siblings */
  choose({ id, parent }) {
    this.record.choices[parent ?? BEGINNING] = id;
  }

  /**
   * @param {Exchange} exchange
   * @returns {Versions}
   */
  versionsOf(exchange) {
    const siblings = this.#after(exchange.parent);
    /** @type {Map<string, Exchange>} */
    const questions = new Map();
    // of each other wording its latest answer is the one to go to
    for (const sibling of siblings) questions.set(sibling.question, sibling);
    questions.set(exchange.question, exchange);
    const answers = siblings.filter(({ question }) => question === exchange.question);
    return { questions: [...questions.values()], answers };
  }

  /**
   * Takes one exchange out. What followed it now follows what was before it.
   * @param {Exchange} exchange
   * @returns {Removal}
   */
  remove(exchange) {
    const children = this.#after(exchange.id);
    const choice = this.record.choices[exchange.id];
    for (const child of children) child.parent = exchange.parent;
    this.#exchanges.delete(exchange.id);
    this.#siblings = null;
    delete this.record.choices[exchange.id];
    const next = children.find(({ id }) => id === choice) ?? children.at(-1);
    if (next) this.choose(next);
    else delete this.record.choices[exchange.parent ?? BEGINNING];
    return { exchange, children, choice };
  }

  /**
   * Takes a removal back.
   * @param {Removal} removal
   * @returns {Exchange[]} those that it changed
   */
  restore({ exchange, children, choice }) {
    const followers = children.map(({ id }) => this.#exchanges.get(id)).filter((each) => each !== undefined);
    for (const child of followers) child.parent = exchange.id;
    this.#exchanges.set(exchange.id, exchange);
    this.choose(exchange);
    if (choice !== undefined) this.record.choices[exchange.id] = choice;
    this.#adoptOrphans();
    return [exchange, ...followers];
  }

  /**
   * Takes over what another tab has written. What it chose does not move this tab's view.
   * @param {Conversation} other the same conversation as it is kept now
   * @param {(exchange: Exchange) => boolean} isOurs whether this tab's form of an exchange is the newer one
   */
  merge(other, isOurs) {
    this.record = { ...other.record, choices: { ...other.record.choices, ...this.record.choices } };
    for (const exchange of this.exchanges) {
      if (!other.#exchanges.has(exchange.id) && !isOurs(exchange)) this.#exchanges.delete(exchange.id);
    }
    for (const theirs of other.exchanges) {
      const ours = this.#exchanges.get(theirs.id);
      if (!ours) this.#exchanges.set(theirs.id, theirs);
      else if (!isOurs(ours)) become(ours, theirs);
    }
    this.#adoptOrphans();
  }

  /**
   * What the model is told of the past: whole pairs only. The oldest go first when there are too many.
   * @param {Exchange} exchange the one being asked
   * @param {number} maxMessages
   * @returns {Message[]}
   */
  historyBefore(exchange, maxMessages) {
    /** @type {Exchange[]} */
    const past = [];
    for (let before = this.#parentOf(exchange); before; before = this.#parentOf(before)) past.unshift(before);
    const told = past.filter(isTold);
    const pairs = Math.max(0, Math.floor(maxMessages / 2));
    return told.slice(Math.max(0, told.length - pairs)).flatMap(messagesOf);
  }

  /** @param {Exchange} exchange */
  #add(exchange) {
    if (this.empty) this.record.title = titleFrom(exchange.question);
    this.#exchanges.set(exchange.id, exchange);
    this.#siblings = null;
    this.choose(exchange);
    return exchange;
  }

  /** @param {Exchange} exchange */
  #parentOf({ parent }) {
    return parent === null ? undefined : this.#exchanges.get(parent);
  }

  /** @param {string | null} parent */
  #chosenAfter(parent) {
    const siblings = this.#after(parent);
    const choice = this.record.choices[parent ?? BEGINNING];
    return siblings.find(({ id }) => id === choice) ?? siblings.at(-1);
  }

  /** @param {string | null} parent */
  #after(parent) {
    if (!this.#siblings) {
      this.#siblings = new Map();
      for (const exchange of this.exchanges) {
        const siblings = this.#siblings.get(exchange.parent);
        if (siblings) siblings.push(exchange);
        else this.#siblings.set(exchange.parent, [exchange]);
      }
    }
    return this.#siblings.get(parent) ?? [];
  }

  /** Where another tab removed what this one asked on from, that is not lost: it becomes another beginning. */
  #adoptOrphans() {
    this.#siblings = null;
    for (const exchange of this.#exchanges.values()) {
      if (exchange.parent !== null && !this.#exchanges.has(exchange.parent)) exchange.parent = null;
    }
  }
}

/** @param {Exchange} exchange */
export function messagesOf({ question, answer }) {
  return [
    { role: /** @type {const} */ ("user"), content: question },
    { role: /** @type {const} */ ("assistant"), content: answer },
  ];
}

/** @returns {ConversationRecord} */
function newRecord() {
  const now = Date.now();
  return { id: newIdentifier(), title: "", created: now, changed: now, choices: {} };
}

/**
 * @param {Exchange} exchange keeps its identity, which views hold on to
 * @param {Exchange} form
 */
function become(exchange, form) {
  for (const field of Object.keys(exchange)) Reflect.deleteProperty(exchange, field);
  Object.assign(exchange, form);
}
