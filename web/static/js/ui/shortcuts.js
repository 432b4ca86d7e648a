/**
 * The keyboard shortcuts of the page. No browser uses the chord of a shortcut: Alt and Shift, or on a Mac Control and
 * Shift, with a letter. With Control and Shift, nearly every letter is taken by Chromium, Edge or Firefox.
 */

import { root } from "../browser/page_root.js";

/**
 * @typedef {object} Shortcut
 * @property {import("../i18n/language.js").TextKey} text the description
 * @property {string} key as in `KeyboardEvent.key`
 * @property {boolean} [chord] with Control and Shift on a Mac, with Alt and Shift elsewhere
 * @property {boolean} [shift] with Shift alone
 * @property {string} [button] the selector of buttons that do the same, whose tooltips name the keys
 * @property {boolean} [overDialogs] whether it also works while a dialog is open
 * @property {() => boolean | void} run returns false if there is nothing to do: the browser then handles the key
 */

const MAC = /^(Mac|iP)/.test(navigator.platform);

export class Shortcuts {
  #shortcuts;

  /** @param {Shortcut[]} shortcuts */
  constructor(shortcuts) {
    this.#shortcuts = shortcuts;
    /** Those that buttons have too. */
    this.ofButtons = shortcuts.flatMap((key) => (key.button ? [{ button: key.button, key }] : []));
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    // Ignore keys that an input method or another handler uses.
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
    // Keys in a surrounding page's fields are that page's.
    if (event.target !== document.body && !root.contains(/** @type {Node} */ (event.target))) return;
    const shortcut = this.#shortcuts.find((each) => matches(each, event));
    if (!shortcut || (!shortcut.overDialogs && document.querySelector("dialog:modal"))) return;
    if (shortcut.run() !== false) event.preventDefault();
  }
}

/**
 * @param {Shortcut} shortcut
 * @param {KeyboardEvent} event
 */
function matches({ key, chord = false, shift = false }, event) {
  const { ctrlKey, altKey, shiftKey, metaKey } = event;
  if (metaKey || ctrlKey !== (chord && MAC) || altKey !== (chord && !MAC) || shiftKey !== (chord || shift)) return false;
  const pressed = event.key.toLowerCase();
  // other scripts, and letters with accents: compare the physical key; Cyrillic щ is on the key O
  return pressed === key.toLowerCase() || (!/^[a-z]+$/.test(pressed) && event.code === codeOf(key));
}

/** @param {string} key */
function codeOf(key) {
  return key === "/" ? "Slash" : `Key${key.toUpperCase()}`;
}

/**
 * @param {Pick<Shortcut, "key" | "chord" | "shift">} shortcut
 * @returns {string[]} the labels of the keys to press together
 */
export function keysOf({ key, chord = false, shift = false }) {
  const names = MAC ? { chord: ["⌃", "⇧"], shift: "⇧" } : { chord: ["Alt", "Shift"], shift: "Shift" };
  return [...(chord ? names.chord : []), ...(shift ? [names.shift] : []), NAMES[key] ?? key.toUpperCase()];
}

/** @type {Record<string, string>} */
const NAMES = { Escape: "Esc", Enter: "Enter", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del", Tab: "Tab", " ": "Space" };
