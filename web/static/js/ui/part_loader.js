/** Loads parts of the page that are rarely needed. */

/** @typedef {import("./notices.js").Notices} Notices */

export class PartLoader {
  #notices;

  /** @param {Notices} notices */
  constructor(notices) {
    this.#notices = notices;
  }

  /**
   * @template Part
   * @param {() => Promise<Part>} load
   * @returns {Promise<Part | null>} null after showing that it could not be loaded: offline, or after a deploy
   */
  async load(load) {
    try {
      const part = await load();
      this.#notices.hide("partNotLoaded");
      return part;
    } catch {
      this.#notices.show("partNotLoaded");
      return null;
    }
  }
}
