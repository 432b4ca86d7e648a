/** The editor of a question that has been asked. */

import { coarsePointer } from "../browser/page_root.js";
import { bringIntoView } from "../ui/in_view.js";
import { keepQuick, prepareFor } from "../ui/quick_field.js";
import { quietButton } from "../ui/button.js";
import { setLabel } from "../i18n/language.js";

/**
 * @typedef {object} EditorEvents
 * @property {(question: string) => void} edited called after each change
 * @property {(question: string) => void} ask
 * @property {() => void} cancel
 */

export class QuestionEditor {
  #field = document.createElement("textarea");
  #askButton;
  #events;

  /**
   * @param {string} question
   * @param {EditorEvents} events
   */
  constructor(question, events) {
    this.#events = events;
    this.element = document.createElement("form");
    this.element.className = "question-editor";
    keepQuick(this.#field);
    prepareFor(this.#field, question);
    this.#field.value = question;
    this.#field.dir = "auto";
    setLabel(this.#field, "editLabel");
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("input", () => {
      this.fit();
      this.#events.edited(this.#field.value);
    });
    this.#askButton = quietButton("askAgain", "ask-again when-idle", () => this.#submit());
    const row = document.createElement("div");
    row.className = "actions";
    row.append(this.#askButton, quietButton("cancel", "cancel", events.cancel));
    this.element.append(this.#field, row);
    this.element.addEventListener("submit", (event) => event.preventDefault());
  }

  focus() {
    this.#field.focus({ preventScroll: true });
    bringIntoView(this.element); // the whole editor, not only the line with the caret
    bringIntoView(this.#field); // before its buttons, where not all has room
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method's own Enter and Escape
    if (event.key === "Escape") this.#events.cancel();
    else if (event.key === "Enter" && !event.shiftKey && !(coarsePointer.matches && !event.ctrlKey && !event.metaKey)) this.#submit();
    else return;
    event.preventDefault();
    event.stopPropagation(); // otherwise Escape stops the running answer
  }

  #submit() {
    if (this.#field.value.trim() !== "") this.#events.ask(this.#field.value);
  }

  /** Updates height and button. Call after inserting the editor into the page. */
  fit() {
    this.#askButton.disabled = this.#field.value.trim() === "";
    if (CSS.supports("field-sizing", "content")) return;
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
