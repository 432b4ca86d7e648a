/**
 * The numbered sources of an answer, below its text. Many are in a collapsible section, which is closed: a search brings
 * them before the answer is written, and an open list would leave no room in view for what is written above it.
 */

import { setLabel, texts } from "../i18n/language.js";

/** @typedef {import("../api/answer_parts.js").SourceEvent} Source */

const MOST_OPEN = 3;

export class SourceList {
  #list = document.createElement("ol");
  #section = document.createElement("details");
  #summary = document.createElement("summary");
  /** @type {Source[]} */
  #shown = [];

  /** @param {() => void} expanded called after the reader has opened or closed the section */
  constructor(expanded) {
    this.#list.className = "sources";
    setLabel(this.#list, "sources");
    this.#section.append(this.#summary);
    this.#section.addEventListener("toggle", expanded);
    this.element = document.createElement("div");
    this.element.className = "source-list";
    this.element.hidden = true;
    this.element.append(this.#list);
  }

  /** @param {Source[]} sources @returns {boolean} whether there are others than before */
  show(sources) {
    const isSame = this.#shown.every((each, index) => each === sources[index]);
    if (!isSame) this.#list.replaceChildren();
    // usually some follow those that are shown
    this.#list.append(...sources.slice(isSame ? this.#shown.length : 0).map(sourceItem));
    const hasChanged = !isSame || sources.length > this.#shown.length;
    this.#shown = sources;
    this.element.hidden = sources.length === 0;
    if (hasChanged) {
      this.translate();
      this.#collapse(sources.length > MOST_OPEN);
    }
    return hasChanged;
  }

  /** Updates the summary to the current language. */
  translate() {
    this.#summary.textContent = texts.sourcesFound(this.#shown.length);
  }

  /** @param {boolean} isCollapsible */
  #collapse(isCollapsible) {
    if (isCollapsible === this.#section.contains(this.#list)) return;
    const { activeElement } = document;
    const hasFocus = this.#list.contains(activeElement);
    this.#section.open = hasFocus;
    if (isCollapsible) this.#section.append(this.#list);
    this.element.replaceChildren(isCollapsible ? this.#section : this.#list);
    if (hasFocus && activeElement instanceof HTMLElement) activeElement.focus({ preventScroll: true }); // it has moved
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
