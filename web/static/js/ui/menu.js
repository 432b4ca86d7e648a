/** A menu of actions that floats above the page, with the keys that the ARIA Authoring Practices name for menus. */

import { createIcon } from "./button.js";
import { placeBeside } from "./floating.js";
import { setText } from "../i18n/language.js";

/**
 * @typedef {object} MenuItem
 * @property {import("../i18n/language.js").TextKey} key
 * @property {string} icon
 * @property {string} name the class
 * @property {boolean} [isDangerous] below a line, and in the colour of errors
 * @property {(event: MouseEvent) => void} run called after the menu is closed, with the click
 */

export class Menu {
  #button;
  #items;
  #side;
  /** Made when it opens, removed when it closes: a long list has many menus. @type {HTMLElement | null} */
  #element = null;
  #listeners = new AbortController();

  /**
   * @param {HTMLButtonElement} button has the menu
   * @param {() => MenuItem[]} items called when the menu opens
   * @param {"start" | "end"} side which edge is in line with that of the button
   */
  constructor(button, items, side) {
    this.#button = button;
    this.#items = items;
    this.#side = side;
  }

  get isOpen() {
    return this.#element !== null;
  }

  close() {
    this.#listeners.abort();
    this.#element?.remove();
    this.#element = null;
    this.#button.ariaExpanded = "false";
  }

  /** Call when the page has moved the button: the menu goes along, or closes if the button has left the window. */
  follow() {
    if (!this.#element) return;
    // hidden by a move, in browsers without `moveBefore`
    if (this.#button.isConnected && !this.#element.matches(":popover-open")) this.#element.showPopover();
    this.#follow();
  }

  /** @param {number} index of the item to focus, from the end if negative */
  open(index) {
    this.close();
    const menu = document.createElement("div");
    menu.className = "menu";
    menu.popover = "manual";
    menu.setAttribute("role", "menu");
    menu.setAttribute("aria-label", this.#button.ariaLabel ?? this.#button.textContent ?? "");
    menu.append(...this.#items().map((item) => this.#entry(item)));
    menu.addEventListener("keydown", (event) => this.#key(event));
    this.#button.after(menu);
    this.#element = menu;
    this.#button.ariaExpanded = "true";
    menu.showPopover();
    placeBeside(menu, this.#button, this.#side, "below");
    this.#focus(index);
    this.#listeners = new AbortController();
    const options = { signal: this.#listeners.signal, capture: true };
    document.addEventListener("pointerdown", (event) => this.#onPress(event), options);
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(/** @type {Node} */ (event.relatedTarget))) this.close();
    });
    for (const name of ["scroll", "resize"]) addEventListener(name, () => this.#follow(), options);
  }

  /** @param {MenuItem} item */
  #entry({ key, icon, name, isDangerous, run }) {
    const entry = document.createElement("button");
    const text = document.createElement("span");
    entry.type = "button";
    entry.tabIndex = -1;
    entry.setAttribute("role", "menuitem");
    entry.className = isDangerous ? `${name} dangerous` : name;
    setText(text, key);
    entry.append(createIcon(icon), text);
    entry.addEventListener("click", (event) => {
      this.#closeAndFocus();
      run(event);
    });
    return entry;
  }

  /** Stays beside the button, or closes if that has left the window. */
  #follow() {
    const { top, bottom } = this.#button.getBoundingClientRect();
    if (bottom < 0 || top > innerHeight) this.close();
    else if (this.#element) placeBeside(this.#element, this.#button, this.#side, "below");
  }

  #closeAndFocus() {
    this.close();
    this.#button.focus({ preventScroll: true });
  }

  /** @param {PointerEvent} event */
  #onPress({ target }) {
    if (target instanceof Node && (this.#element?.contains(target) || this.#button.contains(target))) return;
    this.close();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const entries = this.#entries;
    const index = entries.indexOf(/** @type {HTMLElement} */ (event.target));
    const letter = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "ArrowDown") this.#focus((index + 1) % entries.length);
    else if (event.key === "ArrowUp") this.#focus(index - 1);
    else if (event.key === "Home") this.#focus(0);
    else if (event.key === "End") this.#focus(-1);
    else if (event.key === "Escape" || event.key === "Tab") this.#closeAndFocus();
    else if (letter) this.#focusLetter(event.key.toLowerCase(), index);
    else return;
    event.stopPropagation(); // otherwise Escape stops the running answer
    if (event.key !== "Tab") event.preventDefault(); // Tab goes on from the button
  }

  /**
   * @param {string} letter
   * @param {number} index the search begins after this entry
   */
  #focusLetter(letter, index) {
    const entries = this.#entries;
    const ordered = [...entries.slice(index + 1), ...entries.slice(0, index + 1)];
    ordered.find(({ textContent }) => textContent?.trim().toLowerCase().startsWith(letter))?.focus({ preventScroll: true });
  }

  /** @param {number} index from the end if negative */
  #focus(index) {
    this.#entries.at(index)?.focus({ preventScroll: true });
  }

  /** @returns {HTMLElement[]} */
  get #entries() {
    return [...(this.#element?.querySelectorAll("button") ?? [])];
  }
}
