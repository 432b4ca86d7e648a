/** Offers to take back the last deletion. It stays until it is used, dismissed, or the reader goes on. */

import { quietButton, signButton } from "./button.js";
import { say, words } from "./language.js";

export class Undo {
  #element;
  #announce;
  #done;

  /**
   * @param {HTMLElement} element
   * @param {(status: string) => void} announce
   * @param {() => void} done called when the reader has used it, and its buttons are gone
   */
  constructor(element, announce, done) {
    this.#element = element;
    this.#announce = announce;
    this.#done = done;
  }

  /**
   * @param {import("./language.js").PlainWord} word what was deleted
   * @param {() => void | Promise<void>} undo
   */
  offer(word, undo) {
    const sentence = document.createElement("span");
    say(sentence, word);
    this.#element.replaceChildren(
      sentence,
      quietButton("undo", "take-back", () => {
        this.dismiss();
        this.#done();
        void undo();
        this.#announce(words.undone);
      }),
      signButton("×", "dismiss", "dismiss", () => {
        this.dismiss();
        this.#done();
      }),
    );
    this.#element.hidden = false;
    this.#announce(words[word]);
  }

  dismiss() {
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }
}
