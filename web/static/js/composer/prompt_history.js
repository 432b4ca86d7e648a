/** Earlier prompts, walked back and forth from what the reader is writing. Knows no DOM. */

export class PromptHistory {
  #source;
  /** @type {string[]} oldest first; the last one is the draft that the walk began from */
  #prompts = [];
  #index = 0;

  /** @param {() => string[]} source the earlier prompts, oldest first */
  constructor(source) {
    this.#source = source;
  }

  /** Whether an earlier prompt is shown and not the reader's own draft. */
  get isBrowsing() {
    return this.#index < this.#prompts.length - 1;
  }

  /** @returns {string} the draft that a walk comes back to; empty outside of one */
  get draft() {
    return this.#prompts.at(-1) ?? "";
  }

  /**
   * @param {string} draft what is written now, where no walk is under way
   * @returns {string | null} the prompt before the one shown; null where there is none
   */
  back(draft) {
    if (!this.isBrowsing) {
      const prompts = this.#source().filter((prompt, index, all) => prompt !== all[index + 1]);
      this.#prompts = [...prompts, draft];
      this.#index = prompts.length;
    }
    if (this.#index === 0) return null;
    this.#index -= 1;
    return this.#prompts[this.#index] ?? null;
  }

  /** @returns {string | null} the prompt after the one shown, at last the draft; null outside of a walk */
  forward() {
    if (!this.isBrowsing) return null;
    this.#index += 1;
    return this.#prompts[this.#index] ?? null;
  }

  /** Ends the walk: what is shown has been changed or sent. */
  reset() {
    this.#prompts = [];
    this.#index = 0;
  }
}
