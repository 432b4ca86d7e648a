/** Notices above the message box. Each is shown at most once at a time. */

import { setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

export class Notices {
  #list;
  /** @type {Map<TextKey, HTMLElement>} */
  #shown = new Map();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {TextKey} key */
  show(key) {
    if (this.#shown.has(key)) return;
    const notice = document.createElement("div");
    this.#shown.set(key, notice);
    notice.className = "notice urgent";
    const sentence = document.createElement("p");
    setText(sentence, key);
    notice.append(sentence, this.#dismissButton(key));
    this.#list.append(notice);
    sentence.setAttribute("role", "alert");
  }

  /** @param {TextKey} key the notice to remove */
  hide(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }

  /** @param {TextKey} key */
  #dismissButton(key) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    setText(button, "dismiss");
    button.addEventListener("click", () => this.hide(key));
    return button;
  }
}
