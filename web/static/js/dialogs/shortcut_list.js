/** The dialog that lists the keyboard shortcuts. */

import { Dialog } from "../ui/dialog.js";
import { setText } from "../i18n/language.js";
import { keysOf } from "../ui/shortcuts.js";

/**
 * @typedef {Pick<import("../ui/shortcuts.js").Shortcut, "text" | "key" | "chord" | "shift">} ListedKey
 *
 * @typedef {object} KeyGroup
 * @property {import("../i18n/language.js").TextKey} heading
 * @property {ListedKey[]} keys
 */

export class ShortcutList extends Dialog {
  #groups;

  /** @param {HTMLDialogElement} element */
  constructor(element) {
    super(element);
    this.#groups = /** @type {HTMLElement} */ (element.querySelector(".key-groups"));
  }

  /** @param {KeyGroup[]} groups */
  show(groups) {
    this.#groups.replaceChildren(...groups.map(section));
  }
}

/** @param {KeyGroup} group */
function section({ heading, keys }) {
  const element = document.createElement("section");
  const title = document.createElement("h3");
  const list = document.createElement("dl");
  list.className = "keys";
  setText(title, heading);
  list.append(...keys.map(row));
  element.append(title, list);
  return element;
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
