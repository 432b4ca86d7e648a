/** The search field above the list. */

import { onLanguageChange, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */

/** @typedef {import("../storage/search_query.js").SearchHit} SearchHit */

/**
 * @typedef {object} SearchEvents
 * @property {(text: string) => Promise<Map<string, SearchHit | null>>} search
 * @property {() => void} found the search results have changed
 * @property {() => void} toResults moves the focus to the first result
 * @property {() => void} openFirst opens the first result
 * @property {(text: string) => void} announce the number of results
 */

const PAUSE_MS = 700; // longer than between two letters
const SETTLED_MS = 1500; // longer than between two writes of an answer that grows in another tab
const RUNNING = Infinity; // the state of a conversation with a running answer

export class ConversationSearch {
  #field;
  #result;
  #events;
  /** The results by the id of the conversation; null without a search. @type {Map<string, SearchHit | null> | null} */
  #found = null;
  /** The state of each conversation, also of those that are not found: `RUNNING`, or when it has changed. @type {Map<string, number>} */
  #listed = new Map();
  #query = "";
  #count = 0;
  #text = "";
  #announced = "";
  #timer = 0;
  #repetition = 0;
  /** The search that is running. @type {Promise<void> | null} */
  #running = null;

  /**
   * @param {HTMLInputElement} field
   * @param {HTMLElement} result for the number of results
   * @param {SearchEvents} events
   */
  constructor(field, result, events) {
    this.#field = field;
    this.#result = result;
    this.#events = events;
    field.addEventListener("input", ({ isComposing }) => isComposing || this.#search());
    field.addEventListener("compositionend", () => void this.#search());
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return; // an input method's own keys
      if (event.key === "ArrowDown") events.toResults();
      else if (event.key === "Enter") void this.#openFirst();
      else if (event.key === "Escape" && !event.shiftKey && field.value !== "") this.clear();
      else return;
      event.preventDefault();
    });
    onLanguageChange(() => this.#showCount());
  }

  /** What the shown results were searched for; empty if the list is not that of a search. */
  get query() {
    return this.#query;
  }

  focus() {
    this.#field.focus();
    this.#field.select();
  }

  clear() {
    this.#field.value = "";
    void this.#search();
  }

  /**
   * Searches again where a conversation has come or changed.
   * @param {ConversationRecord[]} records
   * @param {(id: string) => boolean} isRunning whether this tab receives an answer of a conversation
   * @returns {ConversationRecord[]} the results of the last search among them
   */
  filter(records, isRunning) {
    const found = this.#found;
    const before = this.#listed;
    this.#listed = new Map(records.map(({ id, changed }) => [id, isRunning(id) ? RUNNING : changed]));
    if (!found) return records;
    if (needsSearch(this.#listed, before)) void this.#searchOnce();
    else if (records.some(({ id }) => this.#listed.get(id) !== before.get(id))) this.repeatLater();
    const present = records.filter(({ id }) => found.has(id));
    this.#count = present.length; // results may have been deleted since the search
    this.#showCount();
    return present;
  }

  /** @param {string} id of a conversation @returns {SearchHit | null} where the search has found it, beside its title */
  hit(id) {
    return this.#found?.get(id) ?? null;
  }

  /** Opens the first result of what was typed, when it has been found. */
  async #openFirst() {
    if (this.#field.value.trim() === "") return;
    await this.#running;
    clearTimeout(this.#timer); // the conversation says more than the number
    if (this.#count > 0) this.#events.openFirst();
  }

  /** Runs one search at a time. If the text changes during a search, another one follows. */
  #search() {
    this.#text = this.#field.value;
    return this.#searchOnce();
  }

  #searchOnce() {
    this.#running ??= this.#searchAll().finally(() => (this.#running = null));
    return this.#running;
  }

  /** Searches again once nothing has changed for a while: each search reads all conversations. */
  repeatLater() {
    if (!this.#found) return;
    clearTimeout(this.#repetition);
    this.#repetition = setTimeout(async () => {
      await this.#running; // it may have read what was there before the change
      void this.#searchOnce();
    }, SETTLED_MS);
  }

  async #searchAll() {
    /** @type {Map<string, number>} */
    let listed = new Map();
    for (let text = null; text !== this.#text || needsSearch(this.#listed, listed); ) {
      listed = this.#listed; // an undo may bring back another one meanwhile
      text = this.#text; // not the field's: an input method may be composing there
      const query = text.trim();
      this.#found = query ? await this.#events.search(text) : null;
      this.#query = query;
      this.#count = this.#found?.size ?? 0;
      this.#showCount();
      this.#events.found();
    }
    this.#announceLater();
  }

  /** Announces the number of results, once the reader pauses, if it is another one. */
  #announceLater() {
    clearTimeout(this.#timer);
    const announce = () => {
      const result = this.#result.textContent ?? "";
      if (result !== this.#announced) this.#events.announce(result);
      this.#announced = result;
    };
    if (this.#query === "") announce();
    else this.#timer = setTimeout(announce, PAUSE_MS);
  }

  #showCount() {
    this.#result.textContent = this.#found ? texts.found(this.#count) : "";
  }
}

/**
 * @param {Map<string, number>} states of the conversations
 * @param {Map<string, number>} before
 * @returns {boolean} whether one has come, or was asked a question or answered here
 */
function needsSearch(states, before) {
  return [...states].some(([id, state]) => (state === RUNNING) !== (before.get(id) === RUNNING) || !before.has(id));
}
