/** Loads parts of the page that are rarely needed, or only once the reader does something. */

import { PART_MISSING } from "./button.js";
import { reloadHere } from "../browser/address.js";
import { storageName } from "../browser/page_root.js";

const PART_LOADED = "sluice-part-loaded";
/** In the folder above this module's, in the bundle as well. Its address has the version of the page. */
const MAIN = `${new URL("../", import.meta.url).href}main.js`;
const RENEWED = storageName("renewed");

/** @typedef {import("./notices.js").Notices} Notices */

// as long as a server may take to restart
const PAUSE_MS = 10_000;
const ATTEMPTS = 5; // after so many, the pause doubles: the file may be gone for good
const INTERACTIONS = ["pointermove", "pointerdown", "keydown", "input", "click"];

export class PartLoader {
  #notices;

  /** @param {Notices} notices */
  constructor(notices) {
    this.#notices = notices;
    document.addEventListener(PART_MISSING, () => this.#showMissing());
    document.addEventListener(PART_LOADED, () => this.#hideMissing());
    addEventListener("online", () => notices.hide("partOffline"));
  }

  #showMissing() {
    this.#notices.show(missingPart());
  }

  #hideMissing() {
    this.#notices.hide("partNotLoaded", "partOffline");
  }

  /**
   * @template Part
   * @param {() => Promise<Part>} load
   * @returns {Promise<Part | null>} null after showing that it could not be loaded: offline, or after a deploy
   */
  async load(load) {
    try {
      const part = await load();
      this.#hideMissing();
      return part;
    } catch {
      this.#showMissing();
      return null;
    }
  }

  /**
   * Loads the page again if the server has another one since a deploy: the parts of this one are gone then. Where that
   * would lose something, a notice asks for it.
   * @param {() => boolean} mayReload
   */
  async renew(mayReload) {
    if (!(await isOutdated())) return;
    if (mayReload() && isFirstRenewal()) reloadHere();
    else this.#notices.show("pageOutdated");
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

/** @returns {Promise<boolean>} whether the server has another version than that of this page */
async function isOutdated() {
  try {
    const { type } = await fetch(MAIN, { method: "HEAD", redirect: "manual", cache: "no-store" });
    return type === "opaqueredirect";
  } catch {
    return false; // offline
  }
}

/** @returns {boolean} whether this tab has not renewed this version before: an old page may be all that a proxy has */
function isFirstRenewal() {
  try {
    const before = sessionStorage.getItem(RENEWED);
    sessionStorage.setItem(RENEWED, MAIN);
    return before !== MAIN;
  } catch {
    return false; // turned off
  }
}

/** Returns the notice that a part could not be loaded. @returns {"partNotLoaded" | "partOffline"} */
export function missingPart() {
  return navigator.onLine ? "partNotLoaded" : "partOffline";
}

/**
 * Loads a part of the page. Where that fails, offline or while the server restarts, it is tried again: when the browser is
 * online, or with the first interaction after a pause.
 * @template Part
 * @param {() => Promise<Part>} load
 * @param {() => void} [failed] called when the first attempt has failed
 * @returns {Promise<Part>} never rejects
 */
export async function loadPersistently(load, failed = () => {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await load();
    } catch {
      if (attempt === 1) failed();
    }
    await chanceToLoad(PAUSE_MS * 2 ** Math.floor(attempt / ATTEMPTS));
  }
}

/**
 * @param {number} pauseMs
 * @returns {Promise<void>} fulfilled when the browser is online, or with the first interaction after the pause
 */
function chanceToLoad(pauseMs) {
  return new Promise((resolve) => {
    const ended = new AbortController(); // removes all listeners of this pause
    const end = () => {
      ended.abort();
      clearTimeout(timer);
      resolve();
    };
    addEventListener("online", end, { signal: ended.signal });
    const timer = setTimeout(() => void firstInteraction(ended).then(end), pauseMs);
  });
}

/**
 * Makes a loader for a part of what is shown. It loads as `loadPersistently` does, once for all that show such a part. A
 * notice says so while the part is missing.
 * @template Part
 * @param {() => Promise<Part>} load
 * @returns {() => Promise<Part>} never rejects. What waits for it is kept in memory until then
 */
export function shownPart(load) {
  /** @type {Promise<Part> | null} */
  let loading = null;
  let isMissing = false;
  const showMissing = () => {
    isMissing = true;
    document.dispatchEvent(new Event(PART_MISSING));
  };
  const begin = async () => {
    const part = await loadPersistently(load, showMissing);
    if (isMissing) document.dispatchEvent(new Event(PART_LOADED));
    isMissing = false;
    return part;
  };
  return () => {
    if (isMissing) showMissing(); // the notice may have been closed since
    return (loading ??= begin());
  };
}

/**
 * @param {AbortController} [ended] aborted by the interaction; where it is aborted earlier, nothing is awaited any more
 * @returns {Promise<unknown>} fulfilled when the reader moves the pointer, touches or types
 */
export function firstInteraction(ended = new AbortController()) {
  return new Promise((resolve) => {
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
