/** The reader's settings, stored in this browser and synchronised between tabs. */

import { storageName } from "../browser/page_root.js";

/**
 * @typedef {object} SettingValues
 * @property {"" | "stream" | "block"} mode empty for the server's default
 * @property {string} model empty for the server's default
 * @property {"system" | "light" | "dark"} theme
 * @property {import("../i18n/language.js").LanguageChoice} language
 * @property {"small" | "normal" | "large" | "larger"} textSize
 */

const KEY = storageName("settings.1"); // the number is the version of the format

/** The allowed values, defaults first. The server lists the models. */
const CHOICES = Object.freeze({
  mode: ["", "stream", "block"],
  theme: ["system", "light", "dark"],
  language: ["", "en", "zh-CN"],
  textSize: ["normal", "small", "large", "larger"],
});

export class Settings {
  /** @type {Readonly<SettingValues>} */
  values = read();
  /** Whether the browser has stored the last change. Otherwise it applies until the page is closed. */
  isSaved = true;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key !== KEY && event.key !== null) return; // null: the storage was cleared
      this.values = read();
      this.#notify();
    });
  }

  /**
   * @template {keyof SettingValues} Name
   * @param {Name} name
   * @param {SettingValues[Name]} value
   */
  change(name, value) {
    this.values = { ...this.values, [name]: value };
    this.isSaved = save(this.values);
    this.#notify();
  }

  /** @param {() => void} listener called after each change, also by another tab */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  #notify() {
    for (const listener of this.#listeners) listener();
  }
}

/** The settings of the page. */
export const settings = new Settings();

/** @returns {SettingValues} the stored values; defaults for missing and unknown ones */
function read() {
  const stored = parse();
  /** @param {keyof typeof CHOICES} name */
  const choiceOf = (name) => (CHOICES[name].includes(stored[name]) ? stored[name] : CHOICES[name][0]);
  return {
    mode: choiceOf("mode"),
    model: typeof stored.model === "string" ? stored.model : "",
    theme: choiceOf("theme"),
    language: choiceOf("language"),
    textSize: choiceOf("textSize"),
  };
}

/** @returns {Record<string, any>} */
function parse() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // turned off or unreadable; the next change reports it
  }
}

/** @param {SettingValues} values */
function save(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
    return true;
  } catch {
    return false;
  }
}
