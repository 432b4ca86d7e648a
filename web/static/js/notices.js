/** Plain notices above the conversation: what the reader should know about this page, each at most once. */

import { words } from "./language.js";

export class Notices {
  #list;
  /** @type {Set<string>} */
  #shown = new Set();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /**
   * @param {string} text
   * @param {{ urgent?: boolean }} [options] urgent ones are announced, and can be dismissed
   */
  show(text, { urgent = false } = {}) {
    if (this.#shown.has(text)) return;
    this.#shown.add(text);
    const notice = document.createElement("div");
    notice.className = urgent ? "notice urgent" : "notice";
    const sentence = document.createElement("p");
    sentence.textContent = text;
    notice.append(sentence);
    if (urgent) notice.append(this.#dismissButton(notice, text));
    this.#list.append(notice);
    if (urgent) sentence.setAttribute("role", "alert");
  }

  /**
   * @param {HTMLElement} notice
   * @param {string} text
   */
  #dismissButton(notice, text) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = words.dismiss;
    button.addEventListener("click", () => {
      notice.remove();
      this.#shown.delete(text);
    });
    return button;
  }
}
