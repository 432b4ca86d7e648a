/** The keys that work anywhere on the page. None of them is one that a reader needs of the browser, such as reload. */

/**
 * @typedef {object} Shortcut
 * @property {import("../i18n/language.js").TextKey} text what it does
 * @property {string} key as the keyboard event names it
 * @property {boolean} [mod] with Command on a Mac, with Control elsewhere
 * @property {boolean} [shift]
 * @property {boolean} [overDialogs] works while a dialog is open, too
 * @property {() => boolean | void} run returns false where there is nothing to do: the browser gets the key
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
    // An input method has these keys while it composes; whoever has taken a key has said so.
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
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
  const sign = /^[^\w]$/.test(key); // where it is on the keyboard, and whether Shift is part of it, differs by layout
  if (!sign && event.shiftKey !== shift) return false;
  const pressed = event.key.toLowerCase();
  // a keyboard of another script has the letter in its place: Cyrillic щ is on the key O
  return pressed === key.toLowerCase() || (!/^[ -~]+$/.test(pressed) && event.code === `Key${key.toUpperCase()}`);
}

/**
 * @param {Pick<Shortcut, "key" | "mod" | "shift">} shortcut
 * @returns {string[]} the names on the keys to be pressed together
 */
export function keysOf({ key, mod = false, shift = false }) {
  const names = MAC ? { mod: "⌘", shift: "⇧" } : { mod: "Ctrl", shift: "Shift" };
  return [...(mod ? [names.mod] : []), ...(shift ? [names.shift] : []), NAMES[key] ?? key.toUpperCase()];
}

/** @type {Record<string, string>} */
const NAMES = { Escape: "Esc", Enter: "Enter", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del", Tab: "Tab", " ": "Space" };
