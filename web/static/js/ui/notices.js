/** Notices above the composer, where they are seen: what the reader should know about this page, each at most once. */

import { say } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").PlainWord} PlainWord */

export class Notices {
  #list;
  /** @type {Map<PlainWord, HTMLElement>} */
  #shown = new Map();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {PlainWord} word */
  show(word) {
    if (this.#shown.has(word)) return;
    const notice = document.createElement("div");
    this.#shown.set(word, notice);
    notice.className = "notice urgent";
    const sentence = document.createElement("p");
    say(sentence, word);
    notice.append(sentence, this.#dismissButton(word));
    this.#list.append(notice);
    sentence.setAttribute("role", "alert");
  }

  /** @param {PlainWord} word of a notice that no longer holds */
  hide(word) {
    this.#shown.get(word)?.remove();
    this.#shown.delete(word);
  }

  /** @param {PlainWord} word */
  #dismissButton(word) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    say(button, "dismiss");
    button.addEventListener("click", () => this.hide(word));
    return button;
  }
}
