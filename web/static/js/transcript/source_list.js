/** The numbered sources of an answer, below its text. */

import { setLabel } from "../i18n/language.js";

/** @typedef {import("../api/answer_parts.js").SourceEvent} Source */

export class SourceList {
  /** @type {Source[]} */
  #shown = [];

  constructor() {
    this.element = document.createElement("ol");
    this.element.className = "sources";
    this.element.hidden = true;
    setLabel(this.element, "sources");
  }

  /** @param {Source[]} sources @returns {boolean} whether there are others than before */
  show(sources) {
    const isSame = this.#shown.every((each, index) => each === sources[index]);
    if (!isSame) this.element.replaceChildren();
    // usually some follow those that are shown
    this.element.append(...sources.slice(isSame ? this.#shown.length : 0).map(sourceItem));
    const hasChanged = !isSame || sources.length > this.#shown.length;
    this.#shown = sources;
    this.element.hidden = sources.length === 0;
    return hasChanged;
  }
}

/** @param {Source} source */
function sourceItem({ title, url, text }) {
  const item = document.createElement("li");
  const name = document.createElement(url ? "a" : "span");
  name.textContent = title;
  name.dir = "auto";
  item.append(name);
  if (name instanceof HTMLAnchorElement) {
    const host = document.createElement("span");
    Object.assign(name, { href: url, target: "_blank", rel: "noopener noreferrer", title: url });
    host.className = "host";
    host.textContent = new URL(url).host.replace(/^www\./, "");
    if (title !== url) item.append(" ", host);
  }
  if (text) {
    const quote = document.createElement("p");
    quote.textContent = text;
    quote.dir = "auto";
    item.append(quote);
  }
  return item;
}
