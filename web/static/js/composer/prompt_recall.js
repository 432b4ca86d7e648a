/** Shows earlier prompts in the message box, like the history of a shell. */

import { replaceText } from "./text_edit.js";

export class PromptRecall {
  #field;
  #source;
  /** Oldest first; the last one is the draft. Empty before the first step. @type {string[]} */
  #prompts = [];
  #index = 0;
  /** The caret where an earlier prompt was put into the field; null if none is shown, or the text was edited. @type {number | null} */
  #caret = null;
  #isReplacing = false;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {() => string[]} source the earlier prompts, oldest first
   */
  constructor(field, source) {
    this.#field = field;
    this.#source = source;
  }

  /** Whether an event of the field is not an edit by the reader. */
  get isReplacing() {
    return this.#isReplacing;
  }

  /** The reader's own text, which is not in the field while an earlier prompt is. */
  get draft() {
    return this.#isBrowsing ? (this.#prompts.at(-1) ?? "") : this.#field.value;
  }

  /** Whether an earlier prompt is shown instead of the draft. */
  get #isBrowsing() {
    return this.#index < this.#prompts.length - 1;
  }

  /**
   * Shows an earlier or a later prompt, if the key asks for it. Never over a draft.
   * @param {KeyboardEvent} event a key without modifiers
   * @returns {boolean} whether the text has changed
   */
  key(event) {
    const { value, selectionStart, selectionEnd } = this.#field;
    const isUntouched = this.#caret === selectionStart && selectionStart === selectionEnd;
    if (event.key === "ArrowUp" && (value === "" || (this.#caret !== null && (isUntouched || selectionEnd === 0)))) {
      if (!this.#isBrowsing) {
        const prompts = this.#source().filter((prompt, index, all) => prompt !== all[index + 1]);
        this.#prompts = [...prompts, value];
        this.#index = prompts.length;
      }
      return this.#show(this.#index - 1, event);
    }
    if (event.key === "ArrowDown" && this.#isBrowsing && (isUntouched || selectionStart === value.length)) {
      return this.#show(this.#index + 1, event);
    }
    return false;
  }

  /** Forgets the earlier prompts, because the text was edited or sent. */
  reset() {
    this.#prompts = [];
    this.#index = 0;
    this.#caret = null;
  }

  /**
   * @param {number} index
   * @param {KeyboardEvent} event
   */
  #show(index, event) {
    const prompt = this.#prompts[index];
    if (prompt !== undefined || this.#isBrowsing) event.preventDefault(); // the caret stays behind the first one
    if (prompt === undefined) return false;
    this.#index = index;
    this.#isReplacing = true;
    replaceText(this.#field, 0, this.#field.value.length, prompt);
    this.#isReplacing = false;
    this.#field.setSelectionRange(prompt.length, prompt.length);
    this.#field.scrollTop = this.#field.scrollHeight;
    this.#caret = this.#isBrowsing ? prompt.length : null;
    return true;
  }
}
