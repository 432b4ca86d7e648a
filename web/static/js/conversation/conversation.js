/**
 * A conversation: a tree of exchanges. Those with the same parent are branches: other wordings of a question, or
 * other answers to it. At each fork one is chosen, and the chosen ones make the path that is shown. Pure data; knows
 * no DOM, no network and no storage.
 */

import { isSentToModel, newExchange } from "./exchange.js";
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

const ROOT = "";

export class Conversation {
  /** @type {Map<string, Exchange>} */
  #exchanges = new Map();
  /** Siblings by their parent, oldest first; null when it has to be made anew. @type {Map<string | null, Exchange[]> | null} */
  #children = null;

  /**
   * @param {ConversationRecord} [record]
   * @param {Iterable<Exchange>} [exchanges]
   */
  constructor(record = newRecord(), exchanges = []) {
    this.record = record;
    for (const exchange of exchanges) this.#exchanges.set(exchange.id, exchange);
    this.#moveOrphansToRoot();
  }

  get id() {
    return this.record.id;
  }

  get isEmpty() {
    return this.#exchanges.size === 0;
  }

  /** Every exchange, of all branches, oldest first. */
  get exchanges() {
    return [...this.#exchanges.values()].sort((one, other) => one.created - other.created);
  }

  /** The exchanges that are shown, first to last. */
  get path() {
    const path = [];
    for (let next = this.#chosenChildOf(null); next; next = this.#chosenChildOf(next.id)) path.push(next);
    return path;
  }

  /**
   * Asks on at the end of the shown path.
   * @param {string} question
   * @returns {Exchange}
   */
  append(question) {
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
    this.record.choices[parent ?? ROOT] = id;
  }

  /**
   * @param {Exchange} exchange
   * @returns {Versions}
   */
  versionsOf(exchange) {
    const siblings = this.#childrenOf(exchange.parent);
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
    const children = this.#childrenOf(exchange.id);
    const choice = this.record.choices[exchange.id];
    for (const child of children) child.parent = exchange.parent;
    this.#exchanges.delete(exchange.id);
    this.#children = null;
    delete this.record.choices[exchange.id];
    const next = children.find(({ id }) => id === choice) ?? children.at(-1);
    if (next) this.choose(next);
    else delete this.record.choices[exchange.parent ?? ROOT];
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
    this.#moveOrphansToRoot();
    return [exchange, ...followers];
  }

  /**
   * Takes over what another tab has written. What it chose does not move this tab's view.
   * @param {Conversation} other the same conversation as it is kept now
   * @param {(exchange: Exchange) => boolean} isNewerHere whether this tab's form of an exchange is the newer one
   */
  merge(other, isNewerHere) {
    this.record = { ...other.record, choices: { ...other.record.choices, ...this.record.choices } };
    for (const exchange of this.exchanges) {
      if (!other.#exchanges.has(exchange.id) && !isNewerHere(exchange)) this.#exchanges.delete(exchange.id);
    }
    for (const theirs of other.exchanges) {
      const ours = this.#exchanges.get(theirs.id);
      if (!ours) this.#exchanges.set(theirs.id, theirs);
      else if (!isNewerHere(ours)) overwrite(ours, theirs);
    }
    this.#moveOrphansToRoot();
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
    const sent = past.filter(isSentToModel);
    const pairs = Math.max(0, Math.floor(maxMessages / 2));
    return sent.slice(Math.max(0, sent.length - pairs)).flatMap(messagesOf);
  }

  /** @param {Exchange} exchange */
  #add(exchange) {
    if (this.isEmpty) this.record.title = titleFrom(exchange.question);
    this.#exchanges.set(exchange.id, exchange);
    this.#children = null;
    this.choose(exchange);
    return exchange;
  }

  /** @param {Exchange} exchange */
  #parentOf({ parent }) {
    return parent === null ? undefined : this.#exchanges.get(parent);
  }

  /** @param {string | null} parent */
  #chosenChildOf(parent) {
    const siblings = this.#childrenOf(parent);
    const choice = this.record.choices[parent ?? ROOT];
    return siblings.find(({ id }) => id === choice) ?? siblings.at(-1);
  }

  /** @param {string | null} parent */
  #childrenOf(parent) {
    if (!this.#children) {
      this.#children = new Map();
      for (const exchange of this.exchanges) {
        const siblings = this.#children.get(exchange.parent);
        if (siblings) siblings.push(exchange);
        else this.#children.set(exchange.parent, [exchange]);
      }
    }
    return this.#children.get(parent) ?? [];
  }

  /** Where another tab removed what this one asked on from, that is not lost: it becomes another beginning. */
  #moveOrphansToRoot() {
    this.#children = null;
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
function overwrite(exchange, form) {
  for (const field of Object.keys(exchange)) Reflect.deleteProperty(exchange, field);
  Object.assign(exchange, form);
}
