/** One question in the transcript, with the buttons for it. A long one is folded. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, iconButton } from "../ui/button.js";
import { shownPart } from "../ui/part_loader.js";
import { Draft, draftOwnerOf } from "../storage/draft.js";
import { setLabel, setText } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";
import { breakLongRuns } from "../ui/long_runs.js";
import { QuestionEditor } from "./question_editor.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").ExchangeEvents} ExchangeEvents */

// More than the folded height shows at any width: eight lines.
const LONG_WIDTH = 800; // in Latin letters
const LONG_LINES = 10;
const PART_CHARS = 4000; // laid out in less than 100 ms, whatever they are
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/g;

const loadImageView = shownPart(() => import("./question_images.js"));

export class QuestionView {
  #text = document.createElement("p");
  #fold = document.createElement("button");
  #article = document.createElement("article");
  #actions = document.createElement("div");
  /** @type {HTMLElement | null} */
  #images = null;
  #editButton;
  #exchange;
  #events;
  /** Whether the reader has unfolded it. */
  #isOpen = false;
  /** The unsent edited question. */
  #draft;
  /** @type {QuestionEditor | null} */
  #editor = null;

  /**
   * @param {Exchange} exchange
   * @param {ExchangeEvents} events
   */
  constructor(exchange, events) {
    this.#exchange = exchange;
    this.#events = events;
    this.#draft = new Draft(draftOwnerOf(exchange), events.draftSaved);
    setLabel(this.#article, "you");
    this.#text.dir = "auto";
    this.#fold.type = "button";
    this.#fold.className = "textual fold";
    this.#fold.addEventListener("click", () => {
      this.#isOpen = !this.#isOpen;
      this.#showFold();
      if (!this.#isOpen) bringIntoView(this.#article);
      events.expanded();
    });
    if (exchange.images) this.#showImages(exchange.images);
    this.#article.append(this.#text);
    this.branches = new BranchSwitch("questionVersions", events.choose);
    this.#editButton = iconButton("pencil", "edit", "edit when-idle", () => this.edit());
    this.#actions.className = "question-actions";
    this.#actions.append(
      this.branches.element,
      copyButton("copyQuestion", "copy-question", () => exchange.question),
      this.#editButton,
    );
    this.elements = [this.#article, this.#actions];
  }

  /**
   * Shows the question, which an import may have changed. Call after inserting the elements into the page.
   * @param {Exchange[]} questions its versions
   */
  show(questions) {
    this.branches.show(questions, questions.indexOf(this.#exchange));
    if (this.#editor && this.#draft.isTaken) this.#closeEditor(); // asked or cancelled in another tab
    const { question } = this.#exchange;
    if (this.#text.textContent !== question) this.#text.replaceChildren(breakableText(question));
    this.#showFold();
    // the editor was open when the page was closed
    if (this.#draft.text && !this.#editor) this.#openEditor(this.#draft.text);
  }

  /** @param {import("../conversation/exchange.js").ImageReference[]} images */
  #showImages(images) {
    const row = document.createElement("div");
    row.className = "question-images";
    row.append(...images.map(imagePlace)); // so that nothing shifts
    this.#images = row;
    this.#article.append(row);
    const place = new WeakRef(row); // so that a removed row is not kept while the part is missing
    void loadImageView().then(({ showImages }) => {
      const shown = place.deref();
      if (shown) void showImages(shown, images);
    });
  }

  /** The unsent text in the editor; empty if it is closed, or the question unchanged. */
  get unsentEdit() {
    return this.#editor ? this.#draft.text : "";
  }

  /** Opens the editor, and focuses it. */
  edit() {
    (this.#editor ?? this.#openEditor(this.#exchange.question)).focus();
  }

  /**
   * Opens the editor again after it was cancelled.
   * @param {string} question as it was edited
   * @returns {string} other changes that were in the open editor; empty if there were none
   */
  reopenEditor(question) {
    const { text } = this.#draft;
    if (this.#editor) this.#closeEditor();
    this.#saveDraft(question);
    this.#openEditor(question).focus();
    return text === question ? "" : text;
  }

  #showFold() {
    const isLong = isLongText(this.#exchange.question);
    // a class, and no `:has(> .fold)` in the style sheet: Chromium would look at all paragraphs of all answers for it
    this.#article.className = isLong ? `question long${this.#isOpen ? "" : " folded"}` : "question";
    if (!isLong) return this.#fold.remove();
    if (!this.#fold.isConnected) this.#article.append(this.#fold); // moving it would remove its focus
    this.#fold.ariaExpanded = String(this.#isOpen);
    setText(this.#fold, this.#isOpen ? "showLess" : "showMore");
  }

  /** @param {string} text */
  #openEditor(text) {
    this.#editor = new QuestionEditor(text, {
      edited: (question) => this.#saveDraft(question === this.#exchange.question ? "" : question),
      ask: (question) => {
        if (this.#events.edit(this.#exchange, question)) this.#closeEditor();
      },
      cancel: () => this.#cancel(),
    });
    this.#article.hidden = true; // the style sheet hides its buttons
    this.#article.before(this.#editor.element);
    if (this.#images) this.#editor.element.prepend(this.#images); // they are asked about again
    this.#editor.fit();
    return this.#editor;
  }

  #cancel() {
    const { text } = this.#draft; // empty if the question is unchanged
    this.#closeEditor();
    this.#editButton.focus({ preventScroll: true });
    bringIntoView(this.#editButton);
    if (text) this.#events.editCancelled(this.#exchange, text);
  }

  #closeEditor() {
    this.#saveDraft("");
    this.#editor?.element.remove();
    this.#editor = null;
    if (this.#images) this.#article.prepend(this.#images);
    this.#article.hidden = false;
  }

  /** Saves at once, because the view may be removed at any time. @param {string} text */
  #saveDraft(text) {
    this.#draft.text = text;
    this.#draft.flush();
  }
}

/** @param {import("../conversation/exchange.js").ImageReference} image @returns {HTMLElement} as large as its thumbnail */
function imagePlace({ width, height }) {
  const place = document.createElement("span");
  place.className = "image-place";
  place.style.aspectRatio = `${width} / ${height}`;
  return place;
}

/**
 * @param {string} text
 * @returns {DocumentFragment} a long text in boxes, of which a browser lays out only those in view
 */
function breakableText(text) {
  const fragment = new DocumentFragment();
  const parts = partsOf(text);
  for (const part of parts) {
    const box = document.createElement("span");
    box.className = "part";
    box.textContent = part;
    fragment.append(parts.length > 1 ? box : part);
  }
  breakLongRuns(fragment);
  return fragment;
}

/** @param {string} text @returns {string[]} parts that end with a line where they can */
function partsOf(text) {
  const parts = [];
  let start = 0;
  while (text.length - start > PART_CHARS) {
    let end = text.lastIndexOf("\n", start + PART_CHARS - 1) + 1;
    if (end <= start) end = start + PART_CHARS - (isHighSurrogate(text, start + PART_CHARS - 1) ? 1 : 0);
    parts.push(text.slice(start, end));
    start = end;
  }
  return [...parts, text.slice(start)];
}

/**
 * @param {string} text
 * @param {number} index
 */
function isHighSurrogate(text, index) {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800;
}

/** @param {string} text */
function isLongText(text) {
  const wideLetters = text.match(WIDE)?.length ?? 0;
  return text.length + wideLetters > LONG_WIDTH || (text.match(/\n/g)?.length ?? 0) > LONG_LINES;
}
