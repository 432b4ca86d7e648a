/**
 * The definitions of links and footnotes in one text, and in others that are read as one with it: the parts of an
 * answer. As in one text, the first definition of a label counts.
 */

/** @typedef {import("./parser.js").Links} Links */

/** Among the definitions while more may follow: footnotes without a definition are expected. Labels are upper-case. */
export const EXPECTED = "expected";

export class TextLinks {
  /** @type {{ links: Links, texts: Set<TextLinks> }} */
  #group;
  /** The labels that this text defines. @type {string[]} */
  #labels = [];
  #isGrowing = true;
  /** Called when another text has defined something, or when nothing more can be expected. */
  changed = () => {};

  /** @param {TextLinks} [other] of a text that is read as one with this one */
  constructor(other) {
    this.#group = other ? other.#group : { links: Object.create(null), texts: new Set() };
    this.#group.texts.add(this);
    this.#updateExpected();
  }

  /** The definitions of all texts so far. */
  get all() {
    return this.#group.links;
  }

  /** Forgets what the text defines: it is read again from its beginning. */
  begin() {
    for (const label of this.#labels) delete this.all[label];
    this.#labels = [];
    this.#isGrowing = true;
    this.#updateExpected();
  }

  /** @param {Links} definitions in the next part of the text */
  define(definitions) {
    const labels = Object.keys(definitions).filter((label) => !this.all[label]);
    if (labels.length === 0) return;
    for (const label of labels) this.all[label] = /** @type {Links[string]} */ (definitions[label]);
    this.#labels.push(...labels);
    this.#tellOthers();
  }

  /** Marks the text as complete. */
  end() {
    if (!this.#isGrowing) return;
    this.#isGrowing = false;
    this.#updateExpected();
  }

  /** Takes the text out of those that are read as one. */
  remove() {
    this.begin();
    this.#group.texts.delete(this);
    this.#updateExpected();
  }

  #updateExpected() {
    const isExpected = [...this.#group.texts].some((text) => text.#isGrowing);
    if (isExpected) this.all[EXPECTED] ??= { href: "", title: "" };
    else if (this.all[EXPECTED]) {
      delete this.all[EXPECTED];
      this.#tellOthers();
    }
  }

  #tellOthers() {
    for (const text of this.#group.texts) if (text !== this) text.changed();
  }
}
