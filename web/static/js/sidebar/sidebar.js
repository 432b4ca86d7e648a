/**
 * The sidebar. In a wide window it is next to the conversation, and its state is stored. In a narrow window it is a
 * drawer above the conversation, which keeps the focus while it is open. What can be undone is then offered in it.
 */

import { root, storageName } from "../browser/page_root.js";
import { setLabel } from "../i18n/language.js";
import { lockScrolling } from "../ui/scroll_lock.js";

const KEY = storageName("sidebar");

export class Sidebar {
  #element;
  #toggle;
  #close;
  #background;
  #offer;
  #afterOffer;
  #opened;
  #isAwaited = false;

  /**
   * @param {HTMLElement} element
   * @param {HTMLButtonElement} toggle
   * @param {HTMLElement[]} background inert while the drawer is open
   * @param {HTMLElement} offer to undo something, in the background
   * @param {() => void} opened called when the reader has opened it
   */
  constructor(element, toggle, background, offer, opened) {
    this.#opened = opened;
    this.#offer = offer;
    this.#afterOffer = offer.nextElementSibling;
    this.#element = element;
    this.#toggle = toggle;
    this.#background = background;
    root.classList.toggle("sidebar-closed", savedState() === "closed");
    toggle.addEventListener("click", () => this.toggle());
    element.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return; // an input method's own Escape
      if (event.key !== "Escape" || event.shiftKey || event.defaultPrevented) return;
      if (!this.#isDrawer) return;
      event.preventDefault(); // otherwise it stops the running answer
      this.close();
    });
    this.#close = /** @type {HTMLButtonElement} */ (element.querySelector("button.close"));
    this.#close.addEventListener("click", () => this.close());
    root.querySelector(".backdrop")?.addEventListener("click", () => this.close());
    root.addEventListener("widthchange", () => this.#show());
    this.#show();
  }

  get #isWide() {
    return root.classList.contains("wide");
  }

  get isOpen() {
    return this.#isWide
      ? !root.classList.contains("sidebar-closed")
      : root.classList.contains("drawer-open");
  }

  /** Whether a tool waits for a permission in a conversation of the list. @param {boolean} isAwaited */
  set awaited(isAwaited) {
    if (isAwaited === this.#isAwaited) return;
    this.#isAwaited = isAwaited;
    this.#show();
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    this.#setOpen(true);
    this.#opened();
    this.takeFocus(); // focusing the search field would open a touch keyboard
  }

  close() {
    const hadFocus = this.#element.contains(document.activeElement);
    this.#setOpen(false);
    if (hadFocus) this.#toggle.focus();
  }

  /** @returns {boolean} whether it is an open drawer, which then has the focus */
  takeFocus() {
    if (this.#isDrawer) this.#close.focus();
    return this.#isDrawer;
  }

  /** Closes the sidebar if it is a drawer. */
  closeDrawer() {
    if (this.#isDrawer) this.close();
  }

  get #isDrawer() {
    return !this.#isWide && this.isOpen;
  }

  /** @param {boolean} open */
  #setOpen(open) {
    if (this.#isWide) {
      root.classList.toggle("sidebar-closed", !open);
      saveState(open ? "open" : "closed");
    } else {
      root.classList.toggle("drawer-open", open);
    }
    this.#show();
  }

  #show() {
    if (this.#isWide) root.classList.remove("drawer-open");
    this.#toggle.setAttribute("aria-expanded", String(this.isOpen));
    const isMarked = this.#isAwaited && !this.isOpen; // an open one has the mark in its list
    this.#toggle.classList.toggle("awaiting", isMarked);
    setLabel(this.#toggle, isMarked ? "openSidebarAwaited" : this.isOpen ? "closeSidebar" : "openSidebar");
    if (this.#isDrawer && !this.#element.contains(this.#offer)) this.#element.append(this.#offer);
    else if (!this.#isDrawer && this.#element.contains(this.#offer)) this.#afterOffer?.before(this.#offer);
    for (const element of this.#background) element.inert = this.#isDrawer;
    lockScrolling(this.#element, this.#isDrawer);
  }
}

function savedState() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // turned off: use the default
  }
}

/** @param {"open" | "closed"} state */
function saveState(state) {
  try {
    localStorage.setItem(KEY, state);
  } catch {
    // full or turned off: not worth a notice
  }
}
