/** Loads parts of the page that are rarely needed, or only once the reader does something. */

import { PART_MISSING } from "./button.js";

/** @typedef {import("./notices.js").Notices} Notices */

const INTERACTIONS = ["pointermove", "pointerdown", "keydown", "input", "click"];

export class PartLoader {
  #notices;

  /** @param {Notices} notices */
  constructor(notices) {
    this.#notices = notices;
    document.addEventListener(PART_MISSING, () => notices.show("partNotLoaded"));
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

  /**
   * Loads a part, and uses it.
   * @template Part
   * @param {() => Promise<Part>} load
   * @param {(part: Part) => unknown} work
   * @returns {Promise<boolean>} false after showing that it could not be loaded
   */
  async use(load, work) {
    const part = await this.load(load);
    if (part) await work(part);
    return part !== null;
  }

  /**
   * Loads a part at the first interaction. The page does without, if it cannot be loaded: offline, or after a deploy.
   * @template Part
   * @param {() => Promise<Part>} load
   * @param {(part: Part) => unknown} [use]
   */
  loadLater(load, use = () => {}) {
    void firstInteraction()
      .then(load)
      .then(use)
      .catch(() => undefined);
  }
}

/** @returns {Promise<unknown>} fulfilled when the reader moves the pointer, touches or types */
export function firstInteraction() {
  return new Promise((resolve) => {
    const ended = new AbortController();
    /** @param {Event} event */
    const onEvent = (event) => {
      // Browsers send one without a movement where a new page lies below a pointer that rests.
      if (event.type === "pointermove" && event instanceof PointerEvent && !event.movementX && !event.movementY) return;
      ended.abort();
      resolve(undefined);
    };
    for (const type of INTERACTIONS) {
      addEventListener(type, onEvent, { capture: true, passive: true, signal: ended.signal });
    }
  });
}
