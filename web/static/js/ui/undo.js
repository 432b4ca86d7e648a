/** Offers to undo deletions, the last one first, until the reader dismisses the offer, or asks a second question a minute later. */

import { iconButton, quietButton } from "./button.js";
import { setText, texts } from "../i18n/language.js";
import { root } from "../browser/page_root.js";
import { keysOf } from "./shortcuts.js";

/**
 * @typedef {object} Offer
 * @property {import("../i18n/language.js").TextKey} key the message
 * @property {() => void | Promise<void>} undo
 * @property {number} made when it was made, in milliseconds of `performance.now()`
 * @property {boolean} [isOld] whether a question was asked since
 */

const KEPT_MS = 60_000; // also if questions follow faster

/** The keys that undo. @type {Pick<import("./shortcuts.js").Shortcut, "key" | "chord">} */
export const UNDO_KEYS = { key: "z", chord: true };

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
   * @param {() => void} finished called when the focused button is removed, unless the keyboard goes on with the next one
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
    this.#offers.push({ key, undo, made: performance.now() });
    this.#show();
    this.#announce(`${texts[key]} ${texts.undoWith(keysOf(UNDO_KEYS).join("+"))}`);
  }

  /** Dismisses what was offered before the last question already, and a minute ago. Call with each question. */
  age() {
    this.#step += 1;
    this.#offers = this.#offers.filter(({ isOld, made }) => !isOld || performance.now() < made + KEPT_MS);
    for (const offer of this.#offers) offer.isOld = true;
    this.#show();
  }

  dismiss() {
    this.#step += 1;
    this.#offers = [];
    this.#show();
  }

  /**
   * Undoes the last deletion. The focus stays, unless it is on the offer.
   * @returns {boolean} false if none is offered
   */
  undo() {
    if (this.#offers.length === 0) return false; // in a text field as well: its own keys are others
    void this.#undoLast(this.#element.contains(document.activeElement));
    return true;
  }

  /**
   * @param {boolean} hadFocus
   * @param {boolean} [isByPointer] then the reader may go on typing, and a space would undo the next one as well
   */
  async #undoLast(hadFocus, isByPointer = false) {
    const step = ++this.#step;
    const offer = this.#offers.pop();
    const next = this.#show();
    if (hadFocus && next && !isByPointer) next.focus();
    else if (hadFocus) this.#finished();
    await offer?.undo();
    // On a slow disk, an answer may have come meanwhile, and its end was announced.
    if (step === this.#step) this.#announce(texts.undone);
  }

  /** @returns {HTMLElement | null} the undo button; null if there is no offer */
  #show() {
    const last = this.#offers.at(-1);
    this.#element.hidden = !last;
    // not by `:has()`: of this element, each change of the page would check the styles of the whole conversation
    root.classList.toggle("undoable", last !== undefined);
    this.#element.replaceChildren();
    if (!last) return null;
    const sentence = document.createElement("span");
    setText(sentence, last.key);
    const undoButton = quietButton("undo", "undo-button", ({ detail }) => void this.#undoLast(true, detail > 0));
    const dismiss = iconButton("x", "dismiss", "dismiss", () => {
      this.dismiss();
      this.#finished();
    });
    this.#element.append(sentence, undoButton, dismiss);
    return undoButton;
  }
}
