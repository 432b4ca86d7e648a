/** The images that will be sent with the next message: a list of them above the message box. */

import { iconButton } from "../ui/button.js";
import { DraftImages } from "../storage/draft_images.js";
import { keepImages } from "../storage/image_store.js";
import { dropRefused, isRefused, onRefusedImages } from "../storage/refused_images.js";
import { newIdentifier } from "../conversation/identifier.js";
import { onLanguageChange, setLabel, texts } from "../i18n/language.js";
import { scaleImage } from "./image_scaling.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {import("../storage/image_store.js").NewImage} NewImage */

/** @typedef {import("./refused_files.js").RefusedFile} RefusedFile */
/** @typedef {"imagesTooMany" | "imagesMissing"} ImageProblem */

/**
 * @typedef {object} AttachmentEvents
 * @property {() => void} changed
 * @property {(isSaved: boolean) => void} draftSaved as for the text of a draft
 * @property {(problem: ImageProblem, conversation: Conversation | null) => void} failed
 */

export class Attachments {
  #field;
  #events;
  #list = document.createElement("ul");
  /** Of the shown conversation. @type {DraftImages | null} */
  #draft = null;
  /** Those of other conversations, by their ids; all empty conversations share one. @type {Map<string, DraftImages>} */
  #others = new Map();
  /** @type {Conversation | null} */
  #conversation = null;
  /** Drafts that are saved once the browser keeps one of their images. @type {Set<DraftImages>} */
  #unsaved = new Set();
  /** The ids of images that a question has as well. @type {Set<string>} */
  #asked = new Set();

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLTextAreaElement} field
   * @param {AttachmentEvents} events
   */
  constructor(form, field, events) {
    this.#field = field;
    this.#events = events;
    this.#list.className = "attachments";
    this.#list.hidden = true;
    setLabel(this.#list, "images");
    form.prepend(this.#list);
    addEventListener("pagehide", () => this.flush());
    onLanguageChange(() => this.#show());
    onRefusedImages(() => this.#saveKept());
  }

  /** Whether an image is being read. */
  get isReading() {
    return this.#draft !== null && this.#draft.reading > 0;
  }

  get isEmpty() {
    return !this.#draft?.list.length;
  }

  /** Where images go that are added now. */
  get target() {
    return this.#draft;
  }

  /** @param {Conversation | null} conversation whose next message is written from now on */
  open(conversation) {
    this.#draft?.flush();
    if (conversation === this.#conversation) return;
    if (this.#conversation && this.#draft) this.#others.set(keyOf(this.#conversation), this.#draft);
    this.#conversation = conversation;
    this.#draft = conversation && this.#take(conversation);
    this.#show();
  }

  /** @param {Conversation} conversation */
  #take(conversation) {
    const key = keyOf(conversation);
    const known = this.#others.get(key);
    this.#others.delete(key);
    if (known && !known.isOutdated) {
      known.owner = conversation;
      return known;
    }
    const draft = this.#read(conversation);
    known?.moveTo(draft);
    return draft;
  }

  /** @param {Conversation} conversation @returns {DraftImages} which get those of an earlier page */
  #read(conversation) {
    const draft = new DraftImages(conversation, this.#events.draftSaved);
    void this.#readInto(draft, conversation);
    return draft;
  }

  /**
   * @param {DraftImages} draft gets the images that are stored for it
   * @param {Conversation | null} conversation whose draft it is
   */
  async #readInto(draft, conversation) {
    if (draft.isUnread) await this.#report(draft.read(), conversation);
  }

  /**
   * @param {ReturnType<DraftImages["read"]>} reading
   * @param {Conversation | null} conversation whose draft gets the images
   */
  async #report(reading, conversation) {
    const problem = await reading;
    this.#show();
    if (problem) this.#events.failed(problem, conversation);
  }

  /**
   * @param {File[]} files images
   * @param {(file: RefusedFile) => void} refuse called at once with each that cannot be added
   * @param {DraftImages | null} [draft]
   * @returns {Promise<string[]>} the names of those that were added
   */
  async add(files, refuse, draft = this.#draft) {
    const added = [];
    for (const file of files) {
      if (!draft || draft.present.room === 0) {
        refuse({ name: file.name, cause: "imageExcess" });
        continue;
      }
      draft.present.reading += 1;
      this.#show();
      try {
        const image = { id: newIdentifier(), name: file.name || texts.image, ...(await scaleImage(file)) };
        if (draft.present.room > 0) {
          draft.present.add([image]);
          added.push(image);
        } else refuse({ name: file.name, cause: "imageExcess" }); // others have been read meanwhile
      } catch {
        refuse({ name: file.name, cause: "imageUnreadable" }); // no image, or of a type that this browser cannot decode
      }
      draft.present.reading -= 1;
      this.#show();
    }
    if (draft && added.length > 0) void this.#keep(added, draft);
    return added.map(({ name }) => name);
  }

  /**
   * @param {NewImage[]} images
   * @param {DraftImages} draft
   */
  async #keep(images, draft) {
    if (await keepImages(images)) draft.present.save();
    else this.#unsaved.add(draft);
  }

  /** Saves the drafts with an image that the browser keeps now. */
  #saveKept() {
    for (const draft of this.#unsaved) {
      const { list } = draft.present;
      if (list.length > 0 && list.every(({ id }) => isRefused(id))) continue;
      this.#unsaved.delete(draft);
      if (list.length > 0) draft.present.save();
    }
  }

  /**
   * Adds images of an earlier question.
   * @param {ImageReference[]} references
   */
  async addAgain(references) {
    if (!this.#draft) return;
    for (const { id } of references) this.#asked.add(id);
    const reading = this.#draft.read(references);
    this.#show();
    await this.#report(reading, this.#conversation);
  }

  /**
   * Takes the images away to be sent, and keeps them in this browser.
   * @param {Conversation | null} [conversation] the shown one if omitted
   * @returns {ImageReference[]}
   */
  take(conversation = this.#conversation) {
    const draft = conversation === this.#conversation ? this.#draft : conversation && this.#others.get(keyOf(conversation));
    const images = draft?.list.splice(0) ?? [];
    if (images.length === 0) return [];
    draft?.save();
    if (draft) void this.#readInto(draft, conversation); // those that were too many for this message
    this.#show();
    void keepImages(images);
    return images.map(({ data: _, ...reference }) => reference);
  }

  /**
   * Moves the images to another conversation, because the present one does not exist. Those that are being read follow.
   * @param {Conversation} conversation
   * @returns {(() => boolean) | null} removes them there, unless some were being read; null if there are none
   */
  move(conversation) {
    const before = this.#draft;
    const images = before?.list.splice(0) ?? [];
    if (images.length > 0) before?.save();
    this.#draft = null; // no longer that of the present conversation, which may come back
    this.open(conversation);
    const draft = /** @type {DraftImages | null} */ (this.#draft);
    if (!before || !draft) return null;
    const isAll = before.reading === 0;
    before.moveTo(draft);
    if (images.length === 0 && isAll) return null;
    const isAllIn = draft.add(images);
    draft.save();
    this.#show();
    if (!isAllIn) this.#events.failed("imagesTooMany", conversation);
    return () => {
      if (!isAll) return false;
      draft.remove(images);
      draft.save();
      this.#show();
      return true;
    };
  }

  /** Saves them now. */
  flush() {
    this.#draft?.flush();
  }

  #show() {
    const tiles = (this.#draft?.list ?? []).map((image) => this.#item(image));
    if (this.isReading) tiles.push(readingTile()); // a large photo takes a second
    this.#list.hidden = tiles.length === 0;
    this.#list.replaceChildren(...tiles);
    this.#events.changed();
  }

  /** @param {NewImage} image */
  #item(image) {
    const item = document.createElement("li");
    const picture = document.createElement("img");
    Object.assign(picture, { src: image.data, alt: image.name });
    const button = iconButton("x", "remove", "remove", () => this.#remove(image));
    button.ariaLabel = texts.removeImage(image.name);
    item.append(picture, button);
    return item;
  }

  /** @param {NewImage} image */
  #remove(image) {
    const list = this.#draft?.list ?? [];
    const index = list.indexOf(image);
    list.splice(index, 1);
    if (!this.#asked.has(image.id)) dropRefused([image.id]);
    this.#draft?.save();
    this.#show();
    const buttons = this.#list.querySelectorAll("button");
    (buttons[Math.min(index, buttons.length - 1)] ?? this.#field).focus();
  }
}

function readingTile() {
  const tile = document.createElement("li");
  tile.className = "reading-image";
  tile.ariaBusy = "true";
  return tile;
}

/** @param {Conversation} conversation */
function keyOf({ id, isEmpty }) {
  return isEmpty ? "" : id;
}
