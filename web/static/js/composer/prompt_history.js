/** Steps through earlier prompts, like the history of a shell. */

export class PromptHistory {
  #source;
  /** @type {string[]} oldest first; the last one is the draft */
  #prompts = [];
  #index = 0;

  /** @param {() => string[]} source the earlier prompts, oldest first */
  constructor(source) {
    this.#source = source;
  }

  /** Whether an earlier prompt is shown instead of the draft. */
  get isBrowsing() {
    return this.#index < this.#prompts.length - 1;
  }

  /** @returns {string} the draft to return to; empty while no earlier prompt is shown */
  get draft() {
    return this.#prompts.at(-1) ?? "";
  }

  /**
   * @param {string} draft the current text; ignored while an earlier prompt is shown
   * @returns {string | null} the previous prompt; null if there is none
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

  /** @returns {string | null} the next prompt, at the end the draft; null while no earlier prompt is shown */
  forward() {
    if (!this.isBrowsing) return null;
    this.#index += 1;
    return this.#prompts[this.#index] ?? null;
  }

  /** Forgets the position, because the text was edited or sent. */
  reset() {
    this.#prompts = [];
    this.#index = 0;
  }
}
