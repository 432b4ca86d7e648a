/** The keyboard shortcuts of the page. They must not replace keys of the browser, such as reload. */

import { root } from "../browser/page_root.js";

/**
 * @typedef {object} Shortcut
 * @property {import("../i18n/language.js").TextKey} text the description
 * @property {string} key as in `KeyboardEvent.key`
 * @property {boolean} [mod] with Command on a Mac, with Control elsewhere
 * @property {boolean} [shift]
 * @property {boolean} [overDialogs] whether it also works while a dialog is open
 * @property {() => boolean | void} run returns false if there is nothing to do: the browser then handles the key
 */

const MAC = /^(Mac|iP)/.test(navigator.platform);

export class Shortcuts {
  /** @param {Shortcut[]} shortcuts */
  constructor(shortcuts) {
    this.shortcuts = shortcuts;
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    // Ignore keys that an input method or another handler uses.
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
    // Keys in a surrounding page's fields are that page's.
    if (event.target !== document.body && !root.contains(/** @type {Node} */ (event.target))) return;
    const shortcut = this.shortcuts.find((each) => matches(each, event));
    if (!shortcut || (!shortcut.overDialogs && document.querySelector("dialog:modal"))) return;
    if (shortcut.run() !== false) event.preventDefault();
  }
}

/**
 * @param {Shortcut} shortcut
 * @param {KeyboardEvent} event
 */
function matches({ key, mod = false, shift = false }, event) {
  const [wanted, other] = MAC ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  if (wanted !== mod || other || event.altKey) return false;
  const sign = /^[^\w]$/.test(key); // punctuation: its place, and whether it needs Shift, depends on the keyboard layout
  if (!sign && event.shiftKey !== shift) return false;
  const pressed = event.key.toLowerCase();
  // other scripts: compare the physical key; Cyrillic щ is on the key O
  return pressed === key.toLowerCase() || (!/^[ -~]+$/.test(pressed) && event.code === `Key${key.toUpperCase()}`);
}

/**
 * @param {Pick<Shortcut, "key" | "mod" | "shift">} shortcut
 * @returns {string[]} the labels of the keys to press together
 */
export function keysOf({ key, mod = false, shift = false }) {
  const names = MAC ? { mod: "⌘", shift: "⇧" } : { mod: "Ctrl", shift: "Shift" };
  return [...(mod ? [names.mod] : []), ...(shift ? [names.shift] : []), NAMES[key] ?? key.toUpperCase()];
}

/** @type {Record<string, string>} */
const NAMES = { Escape: "Esc", Enter: "Enter", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del", Tab: "Tab", " ": "Space" };
