/** What the reader has chosen for this page, kept in this browser and in step between its tabs. Knows no DOM. */

/**
 * @typedef {object} SettingValues
 * @property {"" | "stream" | "block"} mode empty for the server's own choice
 * @property {string} model empty for the server's own choice
 * @property {"system" | "light" | "dark"} theme
 * @property {import("../i18n/language.js").LanguageChoice} language
 * @property {"small" | "normal" | "large" | "larger"} textSize
 */

const KEY = "sluice.settings.1"; // the number is the form's; another form gets another number

/** The first of each is the one that holds until the reader chooses. Models are not ours to list. */
const CHOICES = Object.freeze({
  mode: ["", "stream", "block"],
  theme: ["system", "light", "dark"],
  language: ["", "en", "zh-CN"],
  textSize: ["normal", "small", "large", "larger"],
});

export class Settings {
  /** @type {Readonly<SettingValues>} */
  values = read();
  /** Whether the browser has kept the last change; where not, it holds until the page is left. */
  isSaved = true;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key !== KEY && event.key !== null) return; // null: all was cleared
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

  /** @param {() => void} listener called after each change, also one made in another tab */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  #notify() {
    for (const listener of this.#listeners) listener();
  }
}

/** The one set of values that every room of the page reads. */
export const settings = new Settings();

/** @returns {SettingValues} what is kept, where it is one of the choices */
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
    return {}; // switched off or unreadable; the next change says so
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
