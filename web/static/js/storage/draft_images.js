/** The images of an unsent message, kept in this browser as long as its text. Loaded where images may be sent. */

import { Draft, IMAGES } from "./draft.js";
import { loadImages } from "./image_store.js";

/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {import("./image_store.js").NewImage} NewImage */

export class DraftImages {
  /** @type {NewImage[]} */
  list = [];
  #owner;
  #draft;
  /** Stored by an earlier page or another tab, and not in the list yet. @type {ImageReference[]} */
  #unread;
  /** Whether this tab has stored the list. */
  #isOwn = false;

  /**
   * @param {import("./draft.js").DraftOwner} owner as of the text
   * @param {(isSaved: boolean) => void} onSave as of the text
   */
  constructor(owner, onSave) {
    this.#owner = owner;
    this.#draft = new Draft(owner, onSave, IMAGES);
    this.#unread = referencesIn(this.#draft.text);
  }

  /** Belongs to another conversation from the next save on. @param {import("./draft.js").DraftOwner} owner */
  set owner(owner) {
    this.#owner = this.#draft.owner = owner;
  }

  /** Whether an earlier page or another tab has added images that `read` will add to the list. */
  get isUnread() {
    return this.#unread.length > 0;
  }

  /** Whether another tab has changed the stored images since, and this tab has not. */
  get isOutdated() {
    return !this.#isOwn && new Draft(this.#owner, () => undefined, IMAGES).text !== this.#draft.text;
  }

  /** Reads the images that an earlier page has added. @returns {Promise<boolean>} false if some of them are gone */
  async read() {
    const references = this.#unread;
    const found = await loadImages(references.map(({ id }) => id));
    const images = references.flatMap((reference) => {
      const data = found.get(reference.id);
      return data === undefined ? [] : [{ ...reference, data }];
    });
    this.list.unshift(...images);
    this.#unread = [];
    if (images.length < references.length) this.save(); // the page says that they are gone, once
    return images.length === references.length;
  }

  /** Stores which images there are. Call after each change of the list. */
  save() {
    const references = [...this.#unread, ...this.list.map(({ data: _, ...reference }) => reference)];
    this.#isOwn = references.length > 0;
    this.#draft.text = this.#isOwn ? JSON.stringify(references) : "";
    this.flush();
  }

  /** Stores them under another key if their conversation is no longer empty, and again what another tab has overwritten. */
  flush() {
    this.#draft.flush();
  }
}

/** @param {string} text @returns {ImageReference[]} */
function referencesIn(text) {
  return text ? JSON.parse(text) : [];
}
