/** Notices above the message box, each at most once at a time. Two of them are of the browser: offline, nothing copied. */

import { COPY_ENDED, COPY_FAILED, iconButton, quietButton } from "./button.js";
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

  /**
   * @param {TextKey} key
   * @param {object} [options]
   * @param {boolean} [options.isUrgent]
   * @param {() => void} [options.open] shows what it is about
   * @param {(sentence: HTMLElement, key: TextKey) => void} [options.fill] writes another sentence
   */
  show(key, { isUrgent = true, open, fill = setText } = {}) {
    if (this.#shown.has(key)) return;
    const notice = document.createElement("div");
    this.#shown.set(key, notice);
    notice.className = isUrgent ? "notice urgent" : "notice";
    const sentence = document.createElement("p");
    fill(sentence, key);
    notice.append(sentence, open ? quietButton("show", "show", open) : "", this.#dismissButton(key));
    this.#list.append(notice);
    sentence.setAttribute("role", "alert");
  }

  /** @param {TextKey[]} keys the notices to remove */
  hide(...keys) {
    for (const key of keys) {
      this.#shown.get(key)?.remove();
      this.#shown.delete(key);
    }
  }

  /**
   * @param {TextKey} key
   * @param {boolean} isShown
   */
  toggle(key, isShown) {
    if (isShown) this.show(key);
    else this.hide(key);
  }

  /** @param {TextKey} key */
  #dismissButton(key) {
    return iconButton("x", "dismiss", "dismiss", () => this.hide(key));
  }
}

/** Shows a notice while the browser is offline. */
export class ConnectionNotice {
  #notices;
  #announce;

  /**
   * @param {Notices} notices
   * @param {(key: TextKey) => void} announce for screen readers
   */
  constructor(notices, announce) {
    this.#notices = notices;
    this.#announce = announce;
    addEventListener("offline", () => this.#show());
    addEventListener("online", () => {
      this.#show();
      this.#announce("backOnline");
    });
    this.#show();
  }

  #show() {
    this.#notices.toggle("offlineNotice", !navigator.onLine);
  }
}

/** Says whether something was copied. */
export class CopyNotice {
  /**
   * @param {Notices} notices
   * @param {(text: string) => void} announce for screen readers
   */
  constructor(notices, announce) {
    document.addEventListener(COPY_ENDED, ({ target }) => {
      notices.hide("copyFailed");
      announce(/** @type {HTMLElement} */ (target).textContent ?? "");
    });
    document.addEventListener(COPY_FAILED, () => {
      notices.hide("copyFailed"); // shown again, it is announced again
      notices.show("copyFailed");
    });
  }
}
