/** Offers to undo deletions, the last one first, until the reader dismisses the offer or asks a question. */

import { iconButton, quietButton } from "./button.js";
import { setText, texts } from "../i18n/language.js";

/**
 * @typedef {object} Offer
 * @property {import("../i18n/language.js").TextKey} key the message
 * @property {() => void | Promise<void>} undo
 */

export class Undo {
  #element;
  #announce;
  #finished;
  /** @type {Offer[]} */
  #offers = [];
  /** Which of the reader's steps was the last one here. */
  #step = 0;

  /**
   * @param {HTMLElement} element
   * @param {(status: string) => void} announce
   * @param {() => void} finished called when the focused button is removed
   */
  constructor(element, announce, finished) {
    this.#element = element;
    this.#announce = announce;
    this.#finished = finished;
  }

  /**
   * @param {Offer["key"]} key
   * @param {Offer["undo"]} undo
   */
  offer(key, undo) {
    this.#step += 1;
    this.#offers.push({ key, undo });
    this.#show();
    this.#announce(texts[key]);
  }

  dismiss() {
    this.#step += 1;
    this.#offers = [];
    this.#show();
  }

  async #undoLast() {
    const step = ++this.#step;
    const offer = this.#offers.pop();
    const next = this.#show();
    if (next) next.focus();
    else this.#finished();
    await offer?.undo();
    // On a slow disk, an answer may have come meanwhile, and its end was announced.
    if (step === this.#step) this.#announce(texts.undone);
  }

  /** @returns {HTMLElement | null} the undo button; null if there is no offer */
  #show() {
    const last = this.#offers.at(-1);
    this.#element.hidden = !last;
    this.#element.replaceChildren();
    if (!last) return null;
    const sentence = document.createElement("span");
    setText(sentence, last.key);
    const undoButton = quietButton("undo", "undo-button", () => void this.#undoLast());
    const dismiss = iconButton("x", "dismiss", "dismiss", () => {
      this.dismiss();
      this.#finished();
    });
    this.#element.append(sentence, undoButton, dismiss);
    return undoButton;
  }
}
