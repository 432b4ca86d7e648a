/** What the model thought before it answered, in a fold. */

import { say } from "./language.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */

export class ReasoningView {
  #text = document.createElement("p");

  constructor() {
    this.element = document.createElement("details");
    this.element.className = "reasoning";
    this.element.hidden = true;
    const summary = document.createElement("summary");
    say(summary, "reasoning");
    this.element.append(summary, this.#text);
  }

  /** @param {Exchange} exchange */
  show({ reasoning }) {
    this.element.hidden = reasoning === "";
    if (this.#text.textContent !== reasoning) this.#text.textContent = reasoning;
  }
}
