/** The dialog that lists the keyboard shortcuts. */

import { Dialog } from "./dialog.js";
import { setText } from "../i18n/language.js";
import { keysOf } from "../ui/shortcuts.js";

/** @typedef {Pick<import("../ui/shortcuts.js").Shortcut, "text" | "key" | "mod" | "shift">} ListedKey */

export class ShortcutList extends Dialog {
  #list;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    super(element);
    this.#list = /** @type {HTMLElement} */ (element.querySelector("dl"));
  }

  /** @param {ListedKey[]} keys */
  show(keys) {
    this.#list.replaceChildren(...keys.map(row));
  }
}

/** @param {ListedKey} listed */
function row(listed) {
  const pair = document.createElement("div");
  const meaning = document.createElement("dt");
  const keys = document.createElement("dd");
  setText(meaning, listed.text);
  keys.append(
    ...keysOf(listed).map((name) => {
      const key = document.createElement("kbd");
      key.textContent = name;
      return key;
    }),
  );
  pair.append(meaning, keys);
  return pair;
}
