/**
 * Notices above the message box, each at most once at a time. Those that concern one conversation are shown with it. Two of
 * them are of the browser: offline, nothing copied.
 */

import { COPY_ENDED, COPY_FAILED, iconButton, quietButton } from "./button.js";
import { setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

export class Notices {
  #list;
  /** @type {Map<TextKey, { notice: HTMLElement, of: string }>} */
  #shown = new Map();
  /** The id of the conversation that is shown. */
  #conversation = "";

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
   * @param {string} [options.of] the id of the conversation that it concerns; empty if it concerns the page
   */
  show(key, { isUrgent = true, open, fill = setText, of = "" } = {}) {
    if (this.#shown.get(key)?.of === of) return;
    this.hide(key);
    const notice = document.createElement("div");
    this.#shown.set(key, { notice, of });
    notice.hidden = this.#isElsewhere(of);
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
      this.#shown.get(key)?.notice.remove();
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

  /** Shows the notices of a conversation, and hides those of others until they are shown. @param {string} id */
  showOf(id) {
    this.#conversation = id;
    for (const { notice, of } of this.#shown.values()) notice.hidden = this.#isElsewhere(of);
  }

  /** @param {string} of */
  #isElsewhere(of) {
    return of !== "" && of !== this.#conversation;
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
