/** The list of conversations or search results: the pinned ones, then by day. The most recently asked is first. */

import { askedAt } from "../conversation/conversation.js";
import { ConversationItem } from "./conversation_item.js";
import { onLanguageChange, setText } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */
/** @typedef {import("./conversation_item.js").ConversationEvents & { leaveUpwards: () => void }} ListEvents */

/**
 * @typedef {object} Shown
 * @property {ConversationRecord[]} records
 * @property {string} current the id of the shown conversation
 * @property {(id: string) => import("../chat/chat.js").Mark | null} markOf
 * @property {(id: string) => import("../storage/search_query.js").SearchHit | null} hit where a search has found its words
 * @property {string} query what was searched for; empty without a search
 */

/** The keys of the list, for the conversation that has the focus. @type {import("../dialogs/shortcut_list.js").ListedKey[]} */
export const LIST_KEYS = [
  { text: "conversationAbove", key: "ArrowUp" },
  { text: "conversationBelow", key: "ArrowDown" },
  { text: "rename", key: "F2" },
  { text: "delete", key: "Delete" },
];

const GROUPS = /** @type {const} */ (["pinned", "today", "yesterday", "thisWeek", "thisMonth", "earlier"]);
const MINUTE = 60 * 1000; // milliseconds

export class ConversationList {
  #element;
  #events;
  /** @type {Map<string, ConversationItem>} */
  #items = new Map();
  #groups;
  /** The shown conversation and its place, when it was last scrolled into view. */
  #revealed = "";
  /** The scroll position before a search. */
  #topBefore = 0;
  /** The start of the day by which the conversations are grouped. */
  #today = startOfDay();
  /** @type {Shown} */
  #shown = { records: [], current: "", markOf: () => null, hit: () => null, query: "" };

  /**
   * @param {HTMLElement} element
   * @param {ListEvents} events
   */
  constructor(element, events) {
    this.#element = element;
    this.#events = events;
    this.#groups = GROUPS.map(newGroup);
    element.append(...this.#groups.map(({ section }) => section));
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focusin", ({ target }) => this.#makeTabStop(itemOf(target)));
    onLanguageChange(() => this.show(this.#shown));
    const regroup = () => this.regroup();
    document.addEventListener("visibilitychange", regroup);
    addEventListener("pageshow", regroup);
    addEventListener("focus", () => setTimeout(regroup)); // the press that brings the focus is known then
    setInterval(regroup, MINUTE); // no timer until midnight: it stops while the computer sleeps, and the clock may be set
  }

  /** Groups the conversations again if another day has begun. What the reader points at, uses or sees keeps its place. */
  regroup() {
    if (startOfDay() === this.#today || this.#element.matches(":active")) return; // a press would miss what it is on
    const { top, bottom } = this.#element.getBoundingClientRect();
    const used = this.#element.querySelectorAll(".conversation:is(:hover, :focus-within)");
    const kept = [...used, ...this.#element.querySelectorAll(".conversation")].find((each) => {
      const row = each.getBoundingClientRect();
      return row.bottom > top && row.top < bottom;
    });
    const before = kept?.getBoundingClientRect().top ?? 0;
    this.show(this.#shown);
    this.#element.scrollTop += (kept?.getBoundingClientRect().top ?? 0) - before;
  }

  /** @param {Shown} shown */
  show(shown) {
    const { records, current, markOf, hit, query } = shown;
    const queryBefore = this.#shown.query;
    this.#shown = shown;
    if (query && !queryBefore) this.#topBefore = this.#element.scrollTop;
    const ids = new Set(records.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (ids.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    this.#today = startOfDay();
    const days = [0, 1, 7, 30].map(startOfDay);
    this.#groups.forEach(({ section, list }, index) => {
      const members = records.filter((record) => index === groupOf(record, days));
      section.hidden = members.length === 0;
      members.forEach((record, place) => {
        const item = this.#items.get(record.id) ?? this.#newItem(record);
        // move only misplaced items: moving an element removes its focus
        const there = list.children[place] ?? null;
        if (there !== item.element) moveIn(item, list, there);
        item.show(record, record.id === current, markOf(record.id), hit(record.id));
      });
    });
    if (query !== queryBefore) this.#element.scrollTop = query ? 0 : this.#topBefore;
    const shownRecord = records.find(({ id }) => id === current);
    if (!query) this.#reveal(current, shownRecord && askedAt(shownRecord));
    for (const item of this.#items.values()) item.keepMenu();
    const focused = itemOf(document.activeElement);
    this.#makeTabStop(focused ?? this.#items.get(current)?.element ?? null);
  }

  /**
   * Scrolls the shown conversation into view, when another one is shown or a question was asked in it.
   * @param {string} current
   * @param {number} [asked]
   */
  #reveal(current, asked) {
    const item = this.#items.get(current)?.element;
    const state = item ? `${current} ${asked}` : "";
    if (state === this.#revealed) return;
    this.#revealed = state;
    if (!item) return;
    const [row, list] = [item.getBoundingClientRect(), this.#element.getBoundingClientRect()];
    if (row.top < list.top) this.#element.scrollTop -= Math.ceil(list.top - row.top);
    else if (row.bottom > list.bottom) this.#element.scrollTop += Math.ceil(row.bottom - list.bottom);
  }

  /**
   * Lets Tab reach one conversation only; the arrows reach the others.
   * @param {Element | null} wanted the first one if it is not in the list
   */
  #makeTabStop(wanted) {
    const all = [...this.#element.querySelectorAll(".conversation")];
    const stop = wanted && all.includes(wanted) ? wanted : all[0];
    for (const each of all) {
      const index = each === stop ? 0 : -1;
      for (const control of /** @type {NodeListOf<HTMLElement>} */ (each.querySelectorAll(":scope > :is(a, button)"))) {
        if (control.tabIndex !== index) control.tabIndex = index;
      }
    }
  }

  /**
   * Moves the focus from a conversation to the next or previous one, before it is deleted.
   * @param {string} id
   * @returns {boolean} false if there is no other one
   */
  focusNeighbour(id) {
    const links = this.#links();
    const own = this.#items.get(id)?.element.querySelector("a");
    const index = links.findIndex((link) => link === own);
    const next = links[index + 1] ?? links[index - 1];
    next?.focus();
    return next !== undefined;
  }

  /**
   * @param {string} id
   * @param {boolean} preventScroll
   */
  focus(id, preventScroll) {
    this.#items.get(id)?.focus(preventScroll);
  }

  focusFirst() {
    this.#links()[0]?.focus();
  }

  openFirst() {
    this.#links()[0]?.click();
  }

  /** @param {ConversationRecord} record */
  #newItem(record) {
    const item = new ConversationItem(record, this.#events);
    this.#items.set(record.id, item);
    return item;
  }

  /** @returns {HTMLAnchorElement[]} */
  #links() {
    return [...this.#element.querySelectorAll("a")];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!step || !(event.target instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    const links = this.#links();
    const index = links.indexOf(event.target) + step;
    if (index < 0) this.#events.leaveUpwards();
    else links[index]?.focus();
  }
}

/**
 * Moves an item with its focus, and with the title that is being typed in it.
 * @param {ConversationItem} item
 * @param {Element & { moveBefore?: (element: Element, before: Element | null) => void }} list
 * @param {Element | null} before
 */
function moveIn(item, list, before) {
  const { element } = item;
  if (element.isConnected && list.moveBefore) list.moveBefore(element, before);
  else item.move(() => list.insertBefore(element, before));
}

/** @param {unknown} target @returns {Element | null} the conversation in the list that contains it */
function itemOf(target) {
  return target instanceof Element ? target.closest(".conversation") : null;
}

/** @param {typeof GROUPS[number]} name */
function newGroup(name) {
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  const list = document.createElement("ul");
  setText(heading, name);
  section.append(heading, list);
  section.hidden = true;
  return { section, list };
}

/** Days have 23 to 25 hours. @param {number} [days] ago @returns {number} when that day began; milliseconds since 1970 */
function startOfDay(days = 0) {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - days).getTime();
}

/**
 * @param {ConversationRecord} record
 * @param {number[]} days the starts of the first days of the groups between the pinned and the earlier ones
 * @returns {number} the index of its group
 */
function groupOf(record, days) {
  return record.isPinned ? 0 : 1 + days.filter((day) => askedAt(record) < day).length;
}
