/**
 * What an answer has besides its text: the calls of tools between the parts of the text, and its sources and progress
 * at the end. Loaded with the first of them.
 */

import { callsOf } from "../conversation/answer_parts.js";
import { MarkdownView } from "../markdown/markdown_view.js";
import { setLabel } from "../i18n/language.js";
import { stateOf, ToolRow } from "./tool_row.js";

/** @typedef {import("../conversation/answer_parts.js").ToolCall} ToolCall */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */
/** @typedef {import("../api/answer_parts.js").SourceEvent} Source */

/**
 * @typedef {object} Section a part of the text, with the calls behind it
 * @property {HTMLElement} prose
 * @property {MarkdownView} markdown
 * @property {HTMLElement} tools
 * @property {ToolRow[]} rows
 * @property {string | null} past the text, once calls have followed it
 */

export class AnswerPartsView {
  #events;
  /** @type {Exchange | null} */
  #exchange = null;
  /** @type {Section[]} */
  #sections;
  /** @type {Markdown | null} */
  #markdown = null;
  #sources = document.createElement("ol");
  /** @type {Source[]} */
  #shownSources = [];
  #progress = document.createElement("p");
  #bar = document.createElement("progress");
  #progressText = document.createElement("span");

  /**
   * @param {HTMLElement} prose shows the text before the first call
   * @param {MarkdownView} markdown of it
   * @param {import("./exchange_view.js").AnswerEvents} events
   */
  constructor(prose, markdown, events) {
    this.#events = events;
    this.#sections = [section(prose, markdown)];
    this.#sources.className = "sources";
    this.#sources.hidden = true;
    setLabel(this.#sources, "sources");
    this.#progress.className = "progress";
    this.#progress.hidden = true;
    setLabel(this.#bar, "progress");
    this.#progress.append(this.#progressText, this.#bar);
    prose.after(this.#sources, this.#progress);
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    for (const each of this.#sections.slice(1)) each.markdown.useMarkdown(markdown);
  }

  /**
   * @param {Exchange} exchange
   * @returns {boolean} whether the next word of the text is what the reader waits for
   */
  show(exchange) {
    this.#exchange = exchange;
    const { answer, parts = [], state } = exchange;
    const isRunning = state === "running";
    const calls = callsOf(parts);
    const places = [...new Set(calls.map(({ at }) => Math.min(at, answer.length)))].sort((one, other) => one - other);
    this.#fit(places.length + 1);
    let hasChanged = false;
    this.#sections.forEach((each, index) => {
      const from = places[index - 1] ?? 0;
      const to = places[index];
      const text = index === 0 ? answer.slice(0, to) : answer.slice(from, to).replace(/^\n+/, "");
      each.prose.classList.toggle("past", to !== undefined);
      if (to === undefined) this.#showLast(each, text, isRunning);
      else if (each.past !== text) each.markdown.finish((each.past = text), this.#events.grown);
      hasChanged = this.#showCalls(each, to === undefined ? [] : calls.filter(({ at }) => Math.min(at, answer.length) === to), isRunning) || hasChanged;
    });
    hasChanged = this.#showSources(parts.filter((part) => part.kind === "source")) || hasChanged;
    const hasProgress = this.#showProgress(parts.find((part) => part.kind === "progress"), isRunning);
    if (hasChanged) this.#events.grown();
    const isCalling = calls.some((call) => ["running", "waiting"].includes(stateOf(call, isRunning)));
    return isRunning && answer.length === (places.at(-1) ?? 0) && !isCalling && !hasProgress;
  }

  translate() {
    for (const { rows } of this.#sections) for (const row of rows) row.translate();
  }

  /** @param {number} count of sections */
  #fit(count) {
    while (this.#sections.length > count) {
      const { prose, tools } = /** @type {Section} */ (this.#sections.pop());
      prose.remove();
      tools.remove();
    }
    while (this.#sections.length < count) {
      const { prose: before, tools } = /** @type {Section} */ (this.#sections.at(-1));
      const prose = document.createElement("div");
      const markdown = new MarkdownView(prose);
      prose.classList.add("prose");
      if (this.#markdown) markdown.useMarkdown(this.#markdown);
      before.after(tools, prose);
      this.#sections.push(section(prose, markdown));
    }
  }

  /**
   * @param {Section} last
   * @param {string} text
   * @param {boolean} isRunning
   */
  #showLast(last, text, isRunning) {
    last.past = null;
    if (isRunning) last.markdown.grow(text, this.#events.grown);
    else last.markdown.finish(text, this.#events.grown);
  }

  /**
   * @param {Section} section
   * @param {ToolCall[]} calls
   * @param {boolean} isRunning
   * @returns {boolean} whether a row has changed
   */
  #showCalls({ tools, rows }, calls, isRunning) {
    let hasChanged = rows.length > calls.length;
    while (rows.length > calls.length) rows.pop()?.element.remove();
    calls.forEach((call, index) => {
      const row = (rows[index] ??= new ToolRow({
        expanded: this.#events.expanded,
        asked: this.#events.consentAsked,
        decide: (asked, isAllowed) => this.#events.decide(/** @type {Exchange} */ (this.#exchange), asked, isAllowed),
      }));
      hasChanged = row.show(call, isRunning, Boolean(this.#exchange?.run?.id)) || hasChanged;
      if (row.element.parentElement !== tools) tools.append(row.element);
    });
    if (calls.length === 0) tools.remove();
    return hasChanged;
  }

  /** @param {Source[]} sources @returns {boolean} whether there are others than before */
  #showSources(sources) {
    const isSame = this.#shownSources.every((each, index) => each === sources[index]);
    if (!isSame) this.#sources.replaceChildren();
    // usually some follow those that are shown
    this.#sources.append(...sources.slice(isSame ? this.#shownSources.length : 0).map(sourceItem));
    const hasChanged = !isSame || sources.length > this.#shownSources.length;
    this.#shownSources = sources;
    this.#sources.hidden = sources.length === 0;
    return hasChanged;
  }

  /**
   * @param {import("../api/answer_parts.js").ProgressEvent | undefined} progress
   * @param {boolean} isRunning
   */
  #showProgress(progress, isRunning) {
    this.#progress.hidden = !progress;
    this.#progress.classList.toggle("over", !isRunning);
    if (!progress) return false;
    if (this.#progressText.textContent !== progress.text) this.#progressText.textContent = progress.text;
    this.#bar.hidden = progress.share === undefined;
    this.#bar.value = progress.share ?? 0;
    return true;
  }
}

/**
 * @param {HTMLElement} prose
 * @param {MarkdownView} markdown
 * @returns {Section}
 */
function section(prose, markdown) {
  const tools = document.createElement("div");
  tools.className = "tools";
  return { prose, markdown, tools, rows: [], past: null };
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
