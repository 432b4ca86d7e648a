/** The images of an unsent message, kept in this browser as long as its text. Loaded where images may be sent. */

import { Draft, IMAGES } from "./draft.js";
import { loadImages } from "./image_store.js";

/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {import("./image_store.js").NewImage} NewImage */

export class DraftImages {
  /** @type {NewImage[]} */
  list = [];
  #draft;

  /**
   * @param {import("./draft.js").DraftOwner} owner as of the text
   * @param {(isSaved: boolean) => void} onSave as of the text
   */
  constructor(owner, onSave) {
    this.#draft = new Draft(owner, onSave, IMAGES);
  }

  /** Belongs to another conversation from the next save on. @param {import("./draft.js").DraftOwner} owner */
  set owner(owner) {
    this.#draft.owner = owner;
  }

  /** Whether an earlier page has added images. */
  get isStored() {
    return this.#draft.text !== "";
  }

  /** Reads the images that an earlier page has added. @returns {Promise<boolean>} false if some of them are gone */
  async read() {
    const references = referencesIn(this.#draft.text);
    const found = await loadImages(references.map(({ id }) => id));
    const images = references.flatMap((reference) => {
      const data = found.get(reference.id);
      return data === undefined ? [] : [{ ...reference, data }];
    });
    this.list.unshift(...images);
    return images.length === references.length;
  }

  /** Stores which images there are. Call after each change of the list. */
  save() {
    this.#draft.text = this.list.length > 0 ? JSON.stringify(this.list.map(({ data: _, ...reference }) => reference)) : "";
    this.#draft.flush();
  }
}

/** @param {string} text @returns {ImageReference[]} */
function referencesIn(text) {
  return text ? JSON.parse(text) : [];
}
