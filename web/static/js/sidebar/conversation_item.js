/** One conversation in the list: a link and a menu of actions. */

import { addressOf } from "../browser/address.js";
import { createIcon, MenuButton } from "../ui/button.js";
import { backUpChanges } from "../storage/record_backup.js";
import { setLabel, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").ConversationRecord} ConversationRecord */

/**
 * @typedef {object} ConversationEvents the actions, with the id of the conversation
 * @property {(id: string, byMouse: boolean) => void} open
 * @property {(id: string, isPinned: boolean) => void} pin
 * @property {(id: string, title: string) => void} rename
 * @property {(id: string) => void} exportMarkdown
 * @property {(id: string) => void} exportJson
 * @property {(id: string, byPointer: boolean) => void} delete
 */

export class ConversationItem {
  #record;
  #events;
  #link = document.createElement("a");
  #menuButton;
  #menu;
  #snippet = document.createElement("p");
  /** Keeps the title that is being typed, if one is. */
  endRenaming = () => {};
  #isMoving = false;

  /**
   * @param {ConversationRecord} record
   * @param {ConversationEvents} events
   */
  constructor(record, events) {
    this.#record = record;
    this.#events = events;
    const { id } = record;
    this.element = document.createElement("li");
    this.element.className = "conversation";
    this.#link.href = addressOf(id);
    this.#link.dir = "auto";
    this.#link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // another tab, a download
      event.preventDefault(); // the browser would change the address in a later task
      events.open(id, isByMouse(event));
    });
    this.#menuButton = document.createElement("button");
    this.#menuButton.type = "button";
    this.#menuButton.className = "quiet more";
    this.#menuButton.append(createIcon("ellipsis"));
    this.#snippet.className = "snippet";
    this.#snippet.dir = "auto";
    this.#snippet.addEventListener("click", (event) => events.open(id, isByMouse(event)));
    this.element.append(this.#link, this.#menuButton, this.#snippet);
    this.#menu = new MenuButton(this.#menuButton, () => [
      this.#record.isPinned
        ? { key: "unpin", icon: "pin-off", name: "pin", run: () => events.pin(id, false) }
        : { key: "pin", icon: "pin", name: "pin", run: () => events.pin(id, true) },
      { key: "rename", icon: "pencil", name: "rename", run: () => this.rename() },
      { key: "exportMarkdown", icon: "file-text", name: "export-markdown", run: () => events.exportMarkdown(id) },
      { key: "exportJson", icon: "file-braces", name: "export-json", run: () => events.exportJson(id) },
      { key: "delete", icon: "trash-2", name: "delete", isDangerous: true, run: (event) => events.delete(id, event.detail > 0) },
    ]);
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * @param {ConversationRecord} record
   * @param {boolean} current whether it is shown
   * @param {import("../chat/chat.js").Mark | null} mark
   * @param {import("../storage/search_query.js").SearchHit | null} hit where a search has found its words
   */
  show(record, current, mark, hit) {
    this.#record = record;
    const title = record.title || texts.untitled;
    if (this.#link.textContent !== title) this.#link.textContent = title;
    this.#link.ariaLabel = mark && `${title} (${texts[mark]})`;
    this.#link.title = this.#link.ariaLabel ?? title;
    this.#snippet.replaceChildren(...(hit ? marked(hit) : []));
    this.#snippet.hidden = !hit?.snippet;
    this.#menuButton.setAttribute("aria-label", texts.actionsFor(title));
    this.element.className = mark ? `conversation ${mark}` : "conversation";
    if (current) this.#link.setAttribute("aria-current", "page");
    else this.#link.removeAttribute("aria-current");
  }

  /** @param {boolean} preventScroll */
  focus(preventScroll) {
    this.#link.focus({ preventScroll });
  }

  /** Call when the list has changed: an open menu goes along with its title. */
  keepMenu() {
    this.#menu.follow();
  }

  /** Takes the item out of the list, with its open menu, and keeps the title that is being typed. */
  remove() {
    this.endRenaming(); // not every browser fires `blur`
    this.#menu.close();
    this.element.remove();
  }

  /** Gives back the focus that a move takes, in browsers without `moveBefore`. @param {() => void} move */
  move(move) {
    const { activeElement } = document;
    this.#isMoving = true;
    move();
    this.#isMoving = false;
    this.#menu.follow(); // shown again, it can have the focus
    if (activeElement instanceof HTMLElement && this.element.contains(activeElement)) activeElement.focus({ preventScroll: true });
  }

  /** Replaces the title by a text field. */
  rename() {
    const field = document.createElement("input");
    field.value = this.#record.title;
    field.dir = "auto";
    setLabel(field, "titleLabel");
    this.#link.hidden = true;
    this.#link.after(field);
    field.select();
    field.focus();
    const editing = new AbortController();
    const backUp = () => field.value.trim() && backUpChanges(this.#record.id, { title: field.value.trim() });
    addEventListener("pagehide", backUp, { signal: editing.signal });
    let hasEnded = false; // removing the field fires `blur`, which calls `end` again
    /** @param {boolean} save */
    const end = (save) => {
      if (hasEnded) return;
      hasEnded = true;
      editing.abort();
      const hadFocus = document.activeElement === field;
      const title = field.value.trim();
      this.#link.hidden = false;
      field.remove();
      if (hadFocus) this.#link.focus();
      if (save && title && title !== this.#record.title) this.#events.rename(this.#record.id, title);
    };
    this.endRenaming = () => end(true);
    field.addEventListener("blur", () => this.#isMoving || this.endRenaming());
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return; // an input method's own Enter and Escape
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      end(event.key === "Enter");
    });
    this.#menu.close();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target === this.#link && event.key === "F2") this.rename();
    else if (event.target === this.#link && event.key === "Delete") {
      // the focus moves to the next one: a key that is held down would delete all
      if (!event.repeat) this.#events.delete(this.#record.id, false);
    } else return;
    event.preventDefault();
  }
}

/** @param {MouseEvent} event a click; the one of a key has no count */
function isByMouse(event) {
  return event.detail > 0 && /** @type {PointerEvent} */ (event).pointerType !== "touch";
}

/**
 * @param {import("../storage/search_query.js").SearchHit} hit
 * @returns {(string | HTMLElement)[]} the snippet, with the words marked
 */
function marked({ snippet, words }) {
  const lower = snippet.toLocaleLowerCase();
  if (lower.length !== snippet.length) return [snippet]; // a few letters become two: the places would differ
  const parts = [];
  let end = 0;
  while (end < snippet.length) {
    const found = words.map((word) => ({ word, at: lower.indexOf(word, end) })).filter(({ at }) => at >= 0);
    const [first] = found.sort((one, other) => one.at - other.at || other.word.length - one.word.length);
    if (!first) break;
    const mark = document.createElement("mark");
    mark.textContent = snippet.slice(first.at, first.at + first.word.length);
    parts.push(snippet.slice(end, first.at), mark);
    end = first.at + first.word.length;
  }
  return [...parts, snippet.slice(end)];
}
