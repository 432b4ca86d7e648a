/** The images of an unsent message, kept in this browser as long as its text. Loaded where images may be sent. */

import { MAX_IMAGES } from "../conversation/image_limits.js";
import { Draft, IMAGES, imagesIn } from "./draft.js";
import { loadImages } from "./image_store.js";

/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {import("./image_store.js").NewImage} NewImage */

export class DraftImages {
  /** @type {NewImage[]} */
  list = [];
  /** How many images are being read that will be in the list. */
  reading = 0;
  #owner;
  #draft;
  /** Stored by an earlier page or another tab, and not in the list yet, or more than a message may have. @type {ImageReference[]} */
  #unread;
  /** Whether this tab has stored the list. */
  #isOwn = false;
  /** The draft to which it was moved. @type {DraftImages | null} */
  #heir = null;

  /**
   * @param {import("./draft.js").DraftOwner} owner as of the text
   * @param {(isSaved: boolean) => void} onSave as of the text
   */
  constructor(owner, onSave) {
    this.#owner = owner;
    this.#draft = new Draft(owner, onSave, IMAGES);
    this.#unread = imagesIn(this.#draft.text);
  }

  /** Belongs to another conversation from the next save on. @param {import("./draft.js").DraftOwner} owner */
  set owner(owner) {
    this.#owner = this.#draft.owner = owner;
  }

  /** This draft, or the one to which it was moved. @returns {DraftImages} */
  get present() {
    return this.#heir?.present ?? this;
  }

  /** Whether an earlier page or another tab has added images that `read` will add to the list. */
  get isUnread() {
    return this.#unread.length > 0;
  }

  /** How many more images the message may have. */
  get room() {
    return Math.max(0, MAX_IMAGES - this.list.length);
  }

  /** Whether another tab has changed the stored images since, and this tab has not. */
  get isOutdated() {
    return !this.#isOwn && new Draft(this.#owner, () => undefined, IMAGES).text !== this.#draft.text;
  }

  /** Has the images that are being read become part of another draft. @param {DraftImages} draft */
  moveTo(draft) {
    this.#heir = draft;
    draft.reading += this.reading;
    this.reading = 0;
  }

  /**
   * Adds images to the list, as many as a message may have. The others stay stored, for the next message.
   * @param {NewImage[]} images
   * @param {{ first?: boolean }} [options] whether they come before those that are there
   * @returns {boolean} whether all are in the list
   */
  add(images, { first = false } = {}) {
    const { room } = this;
    this.list[first ? "unshift" : "push"](...images.slice(0, room));
    this.#unread.push(...images.slice(room).map(referenceTo));
    return images.length <= room;
  }

  /** @param {NewImage[]} images */
  remove(images) {
    const ids = new Set(images.map(({ id }) => id));
    this.list = this.list.filter(({ id }) => !ids.has(id));
    this.#unread = this.#unread.filter(({ id }) => !ids.has(id));
  }

  /**
   * Reads images of this browser, and adds them.
   * @param {ImageReference[]} [asked] those of an earlier question; without it, those that an earlier page or another tab
   *   has added
   * @returns {Promise<"imagesMissing" | "imagesTooMany" | null>} why some of them are not in the list
   */
  async read(asked) {
    const references = asked ?? [...this.#unread];
    this.reading += 1;
    const found = await loadImages(references.map(({ id }) => id));
    const images = references.flatMap((reference) => {
      const data = found.get(reference.id);
      return data === undefined ? [] : [{ ...reference, data }];
    });
    const { present } = this;
    present.reading -= 1;
    this.#unread = this.#unread.filter((each) => !references.includes(each)); // others may have come meanwhile
    const isAll = present.add(images, { first: true });
    // the page says that they are gone, once
    if (asked || images.length < references.length || present !== this) present.save();
    if (images.length < references.length) return "imagesMissing";
    return isAll ? null : "imagesTooMany";
  }

  /** Stores which images there are. Call after each change of the list. */
  save() {
    const references = [...this.#unread, ...this.list.map(referenceTo)];
    this.#isOwn = references.length > 0;
    this.#draft.text = this.#isOwn ? JSON.stringify(references) : "";
    this.flush();
  }

  /** Stores them under another key if their conversation is no longer empty, and again what another tab has removed. */
  flush() {
    this.#draft.flush();
  }
}

/** @param {NewImage} image @returns {ImageReference} */
function referenceTo({ data: _, ...reference }) {
  return reference;
}
