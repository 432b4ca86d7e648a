/** Reads the files that are added to a message, and says which of them are refused. */

import { listOf, readFiles } from "./dropped_files.js";

/** @typedef {import("./refused_files.js").RefusedFile} RefusedFile */

/**
 * @typedef {object} FileEvents
 * @property {(names: string[]) => void} filesAdded
 * @property {(problem: "filesRefused" | null, fill?: (element: HTMLElement) => void, of?: string) => void} filesRead
 * @property {() => void} imageRefused
 *
 * @typedef {object} Message that files are added to
 * @property {number} maxChars of its text
 * @property {() => string | undefined} conversation the id of its conversation
 * @property {(text: string) => void} insert puts the texts of files into it
 * @property {((images: File[], refuse: (image: RefusedFile) => void) => Promise<string[]>) | null} addImages returns the names of
 *   those that were added; null where images may not be sent
 */

export class AddedFiles {
  #events;
  /** How many choices of files are being read, and what was refused of them. */
  #reading = 0;
  /** @type {RefusedFile[]} */
  #refused = [];

  /** @param {FileEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * @param {File[]} files chosen, dropped or pasted together
   * @param {Message} message
   */
  async add(files, { maxChars, conversation, insert, addImages }) {
    const isImage = (/** @type {File} */ { type }) => addImages !== null && /^image\/(?!svg)/.test(type);
    if (this.#reading === 0) this.#refused = [];
    this.#reading += 1;
    const { text, names, refused } = await readFiles(files.filter((file) => !isImage(file)), maxChars, addImages !== null);
    if (text) insert(text);
    this.#events.filesRead(null);
    this.#refuse(refused, conversation());
    const refuseImage = (/** @type {RefusedFile} */ image) => {
      this.#events.imageRefused();
      this.#refuse([image], conversation());
    };
    if (addImages) names.push(...(await addImages(files.filter(isImage), refuseImage)));
    this.#reading -= 1;
    if (names.length > 0) this.#events.filesAdded(names);
  }

  /**
   * @param {RefusedFile[]} files
   * @param {string} [of] the id of the conversation
   */
  #refuse(files, of) {
    this.#refused.push(...files);
    if (files.length > 0) this.#events.filesRead("filesRefused", listOf(this.#refused), of);
  }
}
