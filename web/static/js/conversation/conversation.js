/**
 * A conversation: a tree of exchanges. Exchanges with the same parent are branches: other versions of a question, or
 * other answers to it. One child is chosen at each fork; the chosen exchanges are the path that is shown.
 */

import { beginningOf } from "../api/beginning.js";
import { endedCallsOf, withDecisionsOf } from "./answer_parts.js";
import { isAhead, isSentToModel, newExchange } from "./exchange.js";
import { newIdentifier } from "./identifier.js";
import { titleFrom } from "./title.js";

const MOST_OF_RESULT = 4000; // with whole ones, a long conversation would fill the model's context; it can call the tool again

/** @typedef {import("./exchange.js").Exchange} Exchange */
/** @typedef {import("../api/chat_request.js").Message} Message */

/**
 * @typedef {object} ConversationRecord a conversation without its exchanges
 * @property {string} id
 * @property {string} title
 * @property {number} created milliseconds since 1970
 * @property {number} changed milliseconds since 1970
 * @property {number} [asked] when its last answer was requested: its place in the list. Without it, `changed` is.
 * @property {Record<string, string>} choices the id of the chosen child of each exchange, and of the root, ""
 * @property {boolean} [isPinned] whether it stays at the top of the list
 * @property {string} [systemPrompt] the reader's
 * @property {number} [temperature]
 *
 * @typedef {object} Versions an exchange and its siblings, oldest first
 * @property {Exchange[]} questions one exchange for each version of the question
 * @property {Exchange[]} answers the exchanges with the same question
 * @property {Exchange | null} followed another version, with later messages; null if this one has some, or none has
 *
 * @typedef {object} Removal what `restore` needs
 * @property {Exchange} exchange
 * @property {Exchange[]} children
 * @property {string | undefined} choice
 * @property {boolean} isOnly whether there was no other version
 * @property {string[]} ancestors their ids, nearest first, also of those that had been removed
 * @property {number} at milliseconds since 1970
 */

const ROOT = "";

/** @typedef {"unread" | "reading" | "read"} Contents whether the exchanges are known */

export class Conversation {
  /** @type {Contents} */
  contents = "read";
  /** @type {Map<string, Exchange>} */
  #exchanges = new Map();
  /**
   * The children of each exchange, oldest first; null when they must be computed again.
   * @type {Map<string | null, Exchange[]> | null}
   */
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

  /** @param {string} id @returns {Conversation} a stored one whose exchanges are not known yet */
  static unread(id) {
    const conversation = new Conversation({ ...newRecord(), id });
    conversation.contents = "unread";
    return conversation;
  }

  get id() {
    return this.record.id;
  }

  /** Whether it has no exchanges; false while that is not known. */
  get isEmpty() {
    return this.contents === "read" && this.#exchanges.size === 0;
  }

  /** The exchanges of all branches, oldest first. */
  get exchanges() {
    return [...this.#exchanges.values()].sort((one, other) => one.created - other.created);
  }

  /** The exchanges that are shown, first to last. */
  get path() {
    const path = [];
    for (let next = this.#chosenChildOf(null); next; next = this.#chosenChildOf(next.id)) path.push(next);
    return path;
  }

  /** @param {Exchange} exchange @returns {boolean} whether it is shown, with later messages below it */
  hasLaterMessages(exchange) {
    return this.path.slice(0, -1).includes(exchange);
  }

  /**
   * Appends an exchange to the shown path.
   * @param {string} question
   * @returns {Exchange}
   */
  append(question) {
    return this.#add(newExchange(question, this.path.at(-1)?.id ?? null));
  }

  /**
   * Adds a branch next to an exchange.
   * @param {Exchange} exchange
   * @param {string} [question] the edited question
   * @returns {Exchange}
   */
  branch(exchange, question = exchange.question) {
    const { images } = exchange;
    return this.#add({ ...newExchange(question, exchange.parent), ...(images && { images }) });
  }

  /** Shows an exchange instead of its siblings. @param {Exchange} exchange */
  choose({ id, parent }) {
    this.record.choices[parent ?? ROOT] = id;
  }

  /** Shows the path through an exchange. @param {string} id @returns {boolean} whether another path was shown before */
  chooseAll(id) {
    if (this.path.some((each) => each.id === id)) return false;
    for (let next = this.#exchanges.get(id); next; next = this.#parentOf(next)) this.choose(next);
    return true;
  }

  /**
   * @param {Exchange} exchange
   * @returns {Versions}
   */
  versionsOf(exchange) {
    const siblings = this.#childrenOf(exchange.parent);
    /** @type {Map<string, Exchange>} */
    const questions = new Map();
    // each other version of the question leads to its latest answer
    for (const sibling of siblings) questions.set(sibling.question, sibling);
    questions.set(exchange.question, exchange);
    const answers = siblings.filter(({ question }) => question === exchange.question);
    // with the same question first, and then the latest
    const others = [...siblings.filter((each) => !answers.includes(each)), ...answers];
    const hasLater = (/** @type {Exchange} */ each) => this.#childrenOf(each.id).length > 0;
    const followed = hasLater(exchange) ? null : (others.findLast(hasLater) ?? null);
    return { questions: [...questions.values()], answers, followed };
  }

  /**
   * Removes one exchange. Its children become children of its parent. Without any, another answer to its question is chosen.
   * @param {Exchange} exchange
   * @returns {Removal}
   */
  remove(exchange) {
    const children = this.#childrenOf(exchange.id);
    const siblings = this.#childrenOf(exchange.parent);
    const isOnly = siblings.length === 1;
    const other = siblings.findLast((each) => each !== exchange && each.question === exchange.question);
    const choice = this.record.choices[exchange.id];
    const ancestors = this.#ancestorsOf(exchange);
    for (const child of children) {
      child.parent = exchange.parent;
      child.removed = [...(child.removed ?? []), exchange.id, ...(exchange.removed ?? [])];
    }
    this.#exchanges.delete(exchange.id);
    this.#children = null;
    delete this.record.choices[exchange.id];
    const next = children.find(({ id }) => id === choice) ?? children.at(-1) ?? other;
    if (next) this.choose(next);
    else delete this.record.choices[exchange.parent ?? ROOT];
    return { exchange, children, choice, isOnly, ancestors, at: Date.now() };
  }

  /**
   * Undoes a removal. What was asked since in its place follows it, and stays shown. Other exchanges around it may have been
   * removed or restored since, also in another tab.
   * @param {Removal} removal
   * @returns {Exchange[]} the changed exchanges
   */
  restore({ exchange, choice, isOnly, ancestors, at }) {
    const isNew = (/** @type {Exchange} */ each) => each.created > at;
    const since = this.path.find(isNew);
    const place = ancestors.findIndex((id) => this.#exchanges.has(id));
    const parent = ancestors[place] ?? null;
    const isBehind = (/** @type {Exchange} */ each) => each.removed?.includes(exchange.id) === true;
    const inItsPlace = this.#childrenOf(parent);
    const isOnlyNow = isOnly && inItsPlace.every((each) => isBehind(each) || isNew(each));
    const followers = [...this.exchanges.filter(isBehind), ...(isOnlyNow ? inItsPlace.filter((each) => !isBehind(each)) : [])];
    const chosen = this.#chosenChildOf(parent);
    if (chosen && followers.includes(chosen)) choice = chosen.id;
    for (const each of followers) {
      each.parent = exchange.id;
      setRemoved(each, each.removed?.slice(0, Math.max(0, each.removed.indexOf(exchange.id))));
    }
    exchange.parent = parent;
    setRemoved(exchange, place < 0 ? ancestors : ancestors.slice(0, place));
    this.#exchanges.set(exchange.id, exchange);
    this.#children = null;
    this.choose(exchange);
    if (choice !== undefined) this.record.choices[exchange.id] = choice;
    if (since) this.chooseAll(since.id);
    return [exchange, ...followers];
  }

  /**
   * Adds the exchanges, which were not known before.
   * @param {Conversation} stored the same conversation as it is stored now
   */
  fill(stored) {
    this.contents = "read";
    this.merge(stored, () => false);
  }

  /**
   * Merges what another tab has saved. The branches that this tab has chosen stay chosen.
   * @param {Conversation} other the same conversation as it is stored now
   * @param {(exchange: Exchange) => boolean} isNewerHere whether this tab's version of an exchange is newer
   */
  merge(other, isNewerHere) {
    this.record = { ...other.record, choices: { ...other.record.choices, ...this.record.choices } };
    for (const exchange of this.exchanges) {
      if (!other.#exchanges.has(exchange.id) && !isNewerHere(exchange)) this.#exchanges.delete(exchange.id);
    }
    for (const theirs of other.exchanges) {
      const ours = this.#exchanges.get(theirs.id);
      if (!ours) this.#exchanges.set(theirs.id, theirs);
      else if (!isNewerHere(ours) && !isAhead(ours, theirs)) overwrite(ours, theirs);
      // of which the server tells no page
      else if (ours.parts && ours.run?.id && ours.run.id === theirs.run?.id) ours.parts = withDecisionsOf(ours.parts, theirs.parts);
    }
    this.#moveOrphansToRoot();
  }

  /**
   * @param {Exchange} exchange the one to be answered
   * @returns {Message[]} the earlier messages for the model, oldest first: each question, followed by its answer if it has one
   */
  historyBefore(exchange) {
    /** @type {Exchange[]} */
    const past = [];
    for (let before = this.#parentOf(exchange); before; before = this.#parentOf(before)) past.unshift(before);
    return past.filter(isSentToModel).flatMap((each) => messagesOf(each, MOST_OF_RESULT));
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

  /** @param {Exchange} exchange @returns {string[]} the ids of what it has followed, nearest first, also of what was removed */
  #ancestorsOf(exchange) {
    const ancestors = [];
    for (let each = /** @type {Exchange | undefined} */ (exchange); each; each = this.#parentOf(each)) {
      ancestors.push(...(each.removed ?? []), ...(each.parent === null ? [] : [each.parent]));
    }
    return ancestors;
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

  /** Makes exchanges without a parent roots: another tab may have deleted the parent. */
  #moveOrphansToRoot() {
    this.#children = null;
    for (const exchange of this.#exchanges.values()) {
      if (exchange.parent !== null && !this.#exchanges.has(exchange.parent)) exchange.parent = null;
    }
  }
}

/**
 * @param {Exchange} exchange
 * @param {number} [mostOfResult] characters of the result of a tool
 * @returns {Message[]} the question, with the ids of its images, and the answer if it has text or has called tools
 */
export function messagesOf({ question, answer, images, parts }, mostOfResult = Infinity) {
  /** @type {Message} */
  const asked = { role: "user", content: question, ...(images && { images: images.map(({ id }) => id) }) };
  const calls = endedCallsOf(parts).map((call) => ({ ...call, text: beginningOf(call.text, mostOfResult) }));
  if (answer.trim() === "" && calls.length === 0) return [asked];
  return [asked, { role: "assistant", content: answer, ...(calls.length > 0 && { tool_calls: calls }) }];
}

/** @param {Exchange} exchange @param {string[]} [ids] of removed ones between it and its parent */
function setRemoved(exchange, ids = []) {
  if (ids.length > 0) exchange.removed = ids;
  else delete exchange.removed;
}

/** @param {ConversationRecord} record @returns {number} the time by which it is listed; milliseconds since 1970 */
export function askedAt({ asked, changed }) {
  return asked ?? changed;
}

/**
 * @param {ConversationRecord} record
 * @param {ConversationRecord | undefined} other of the same conversation
 * @returns {{ asked?: number }} when the last answer was requested, as far as either has it
 */
export function laterAsked({ asked = 0 }, other) {
  const later = Math.max(asked, other?.asked ?? 0);
  return later > 0 ? { asked: later } : {};
}

/** @returns {ConversationRecord} */
function newRecord() {
  const now = Date.now();
  return { id: newIdentifier(), title: "", created: now, changed: now, choices: {} };
}

/**
 * @param {Exchange} exchange keeps its identity, because views refer to it
 * @param {Exchange} form its new fields
 */
function overwrite(exchange, form) {
  for (const field of Object.keys(exchange)) Reflect.deleteProperty(exchange, field);
  Object.assign(exchange, form);
}
