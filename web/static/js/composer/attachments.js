/** The images that will be sent with the next message: their button, and a list of them above the message box. */

import { iconButton } from "../ui/button.js";
import { keepImages } from "../storage/image_store.js";
import { newIdentifier } from "../conversation/identifier.js";
import { onLanguageChange, setLabel, texts } from "../i18n/language.js";
import { scaleImage } from "./image_scaling.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {import("../storage/image_store.js").NewImage} NewImage */

/** @typedef {"imageUnreadable" | "imagesTooMany" | "imagesNotKept"} ImageProblem */

/**
 * @typedef {object} AttachmentEvents
 * @property {() => void} changed
 * @property {(problem: ImageProblem) => void} failed
 * @property {(files: File[]) => void} chosen files, of any kind
 */

const MOST = 4; // the server's limit for one message
const TYPES = "image/png,image/jpeg,image/webp,image/gif";

export class Attachments {
  #field;
  #events;
  #list = document.createElement("ul");
  /** @type {NewImage[]} */
  #images = [];
  /** Those of other conversations, by their ids; all empty conversations share one. @type {Map<string, NewImage[]>} */
  #others = new Map();
  /** @type {Conversation | null} */
  #conversation = null;
  #reading = 0;

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLTextAreaElement} field
   * @param {AttachmentEvents} events
   */
  constructor(form, field, events) {
    this.#field = field;
    this.#events = events;
    const input = document.createElement("input");
    Object.assign(input, { type: "file", accept: TYPES, multiple: true, hidden: true });
    input.addEventListener("change", () => {
      events.chosen([...(input.files ?? [])]);
      input.value = ""; // the same file may be chosen again
      field.focus();
    });
    const button = iconButton("image-plus", "addImages", "add-images", () => input.click());
    form.querySelector(".composer-foot")?.querySelector(":scope > button")?.before(button, input);
    this.#list.className = "attachments";
    this.#list.hidden = true;
    setLabel(this.#list, "images");
    form.prepend(this.#list);
    onLanguageChange(() => this.#show());
  }

  /** Whether an image is being read. */
  get isReading() {
    return this.#reading > 0;
  }

  /** @param {Conversation | null} conversation whose next message is written from now on */
  open(conversation) {
    if (this.#conversation) this.#others.set(keyOf(this.#conversation), this.#images);
    this.#conversation = conversation;
    this.#images = (conversation && this.#others.get(keyOf(conversation))) ?? [];
    this.#show();
  }

  /**
   * @param {File[]} files images
   * @returns {Promise<void>}
   */
  async add(files) {
    const conversation = this.#conversation;
    for (const file of files) {
      const images = this.#imagesOf(conversation);
      if (images.length >= MOST) return this.#events.failed("imagesTooMany");
      this.#reading += 1;
      this.#show();
      try {
        const image = { id: newIdentifier(), name: file.name || texts.image, ...(await scaleImage(file)) };
        this.#imagesOf(conversation).push(image);
      } catch {
        this.#events.failed("imageUnreadable"); // no image, or of a type that this browser cannot decode
      }
      this.#reading -= 1;
      this.#show();
    }
  }

  /**
   * Takes the images away to be sent, and keeps them in this browser.
   * @param {Conversation | null} [conversation] the shown one if omitted
   * @returns {ImageReference[]}
   */
  take(conversation = this.#conversation) {
    const images = this.#imagesOf(conversation);
    if (images.length === 0) return [];
    if (conversation === this.#conversation) this.#images = [];
    else if (conversation) this.#others.delete(keyOf(conversation));
    this.#show();
    void keepImages(images).then((isKept) => isKept || this.#events.failed("imagesNotKept"));
    return images.map(({ data: _, ...reference }) => reference);
  }

  /**
   * Moves the images to another conversation, because the present one does not exist.
   * @param {Conversation} conversation
   */
  move(conversation) {
    const images = this.#images;
    this.#images = [];
    this.open(conversation);
    this.#images.push(...images);
    this.#show();
  }

  /**
   * @param {Conversation | null} conversation
   * @returns {NewImage[]}
   */
  #imagesOf(conversation) {
    if (conversation === this.#conversation || !conversation) return this.#images;
    const images = this.#others.get(keyOf(conversation)) ?? [];
    this.#others.set(keyOf(conversation), images);
    return images;
  }

  #show() {
    const tiles = this.#images.map((image) => this.#item(image));
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
    const index = this.#images.indexOf(image);
    this.#images.splice(index, 1);
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
