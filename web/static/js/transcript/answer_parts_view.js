/**
 * What an answer has besides its text: calls of tools and later thoughts between the parts of the text, and its sources
 * and progress at the end. Loaded with the first of them.
 *
 * The parts of the text have their definitions of links and footnotes in common. A block ends where a step follows it: a
 * table that is divided by a step has no further rows behind it.
 */

import { callsOf, isStep } from "../conversation/answer_parts.js";
import { MarkdownView } from "../markdown/markdown_view.js";
import { ReasoningView } from "./reasoning_view.js";
import { setLabel } from "../i18n/language.js";
import { SourceList } from "./source_list.js";
import { stateOf, ToolRow } from "./tool_row.js";
import { thoughtsOf } from "../conversation/thoughts.js";

/** @typedef {import("../conversation/answer_parts.js").ToolCall} ToolCall */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/thoughts.js").Thought} Thought */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */

/**
 * @typedef {{ at: number, call?: ToolCall, thought?: Thought }} Step what the model did before it wrote on: one of both
 *
 * @typedef {object} Section a part of the text, with the steps behind it
 * @property {HTMLElement} prose
 * @property {MarkdownView} markdown
 * @property {HTMLElement} steps
 * @property {(ToolRow | ReasoningView)[]} rows
 * @property {string | null} past the text, once steps have followed it
 */

export class AnswerPartsView {
  #events;
  /** @type {Exchange | null} */
  #exchange = null;
  /** @type {Section[]} */
  #sections;
  /** @type {Markdown | null} */
  #markdown = null;
  #sources;
  #progress = document.createElement("p");
  #bar = document.createElement("progress");
  #progressText = document.createElement("span");

  /**
   * @param {HTMLElement} prose shows the text before the first step
   * @param {MarkdownView} markdown of it
   * @param {import("./exchange_view.js").AnswerEvents} events
   */
  constructor(prose, markdown, events) {
    this.#events = events;
    this.#sections = [section(prose, markdown)];
    this.#sources = new SourceList(events.expanded);
    this.#progress.className = "progress";
    this.#progress.hidden = true;
    setLabel(this.#bar, "progress");
    this.#progress.append(this.#progressText, this.#bar);
    prose.after(this.#sources.element, this.#progress);
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#markdown = markdown;
    for (const each of this.#sections.slice(1)) each.markdown.useMarkdown(markdown);
    for (const row of this.#rows()) if (row instanceof ReasoningView) row.useMarkdown(markdown);
  }

  /**
   * @param {Exchange} exchange
   * @returns {boolean} whether the next word of the text is what the reader waits for
   */
  show(exchange) {
    this.#exchange = exchange;
    const { answer, parts = [], state } = exchange;
    const isRunning = state === "running";
    const steps = stepsOf(exchange);
    const places = [...new Set(steps.map(({ at }) => at))];
    this.#fit(places.length + 1);
    let hasChanged = false;
    this.#sections.forEach((each, index) => {
      const from = places[index - 1] ?? 0;
      const to = places[index];
      const text = index === 0 ? answer.slice(0, to) : answer.slice(from, to).replace(/^\n+/, "");
      each.prose.classList.toggle("past", to !== undefined);
      if (to === undefined) this.#showLast(each, text, isRunning);
      else if (each.past !== text) each.markdown.finish((each.past = text), this.#events.grown);
      hasChanged = this.#showSteps(each, to === undefined ? [] : steps.filter(({ at }) => at === to), isRunning) || hasChanged;
    });
    hasChanged = this.#sources.show(parts.filter((part) => part.kind === "source")) || hasChanged;
    const hasProgress = this.#showProgress(parts.find((part) => part.kind === "progress"), isRunning);
    if (hasChanged) this.#events.grown();
    const isCalling = callsOf(parts).some((call) => ["running", "waiting"].includes(stateOf(call, isRunning)));
    return isRunning && answer.length === (places.at(-1) ?? 0) && !isCalling && !hasProgress;
  }

  translate() {
    for (const row of this.#rows()) row.translate();
    this.#sources.translate();
  }

  #rows() {
    return this.#sections.flatMap(({ rows }) => rows);
  }

  /** @param {number} count of sections */
  #fit(count) {
    while (this.#sections.length > count) {
      const { prose, markdown, steps } = /** @type {Section} */ (this.#sections.pop());
      markdown.remove();
      prose.remove();
      steps.remove();
    }
    while (this.#sections.length < count) {
      const { prose: before, markdown: textBefore, steps } = /** @type {Section} */ (this.#sections.at(-1));
      const prose = document.createElement("div");
      const markdown = new MarkdownView(prose, textBefore);
      prose.classList.add("prose");
      if (this.#markdown) markdown.useMarkdown(this.#markdown);
      before.after(steps, prose);
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
   * @param {Step[]} shown
   * @param {boolean} isRunning
   * @returns {boolean} whether a row has changed
   */
  #showSteps({ steps, rows }, shown, isRunning) {
    // steps only follow others, but of an answer that is asked for again, they may be of another kind
    const same = rows.findIndex((row, index) => row instanceof ToolRow !== Boolean(shown[index]?.call));
    const surplus = rows.splice(same < 0 ? shown.length : same);
    for (const { element } of surplus) element.remove();
    let hasChanged = surplus.length > 0;
    shown.forEach(({ call, thought }, index) => {
      const row = (rows[index] ??= call ? this.#toolRow() : this.#thoughtRow());
      if (row.element.parentElement !== steps) {
        steps.append(row.element);
        hasChanged = true;
      }
      if (call && row instanceof ToolRow) hasChanged = row.show(call, isRunning, Boolean(this.#exchange?.run?.id)) || hasChanged;
      else if (thought && row instanceof ReasoningView) row.show(thought);
    });
    if (shown.length === 0) steps.remove();
    return hasChanged;
  }

  #toolRow() {
    return new ToolRow({
      expanded: this.#events.expanded,
      asked: this.#events.consentAsked,
      decide: (asked, isAllowed) => this.#events.decide(/** @type {Exchange} */ (this.#exchange), asked, isAllowed),
    });
  }

  #thoughtRow() {
    const row = new ReasoningView(this.#events);
    if (this.#markdown) row.useMarkdown(this.#markdown);
    return row;
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
  const steps = document.createElement("div");
  steps.className = "steps";
  return { prose, markdown, steps, rows: [], past: null };
}

/** @param {Exchange} exchange @returns {Step[]} in the order of the text; those of one place in their own */
function stepsOf(exchange) {
  const { answer, parts = [] } = exchange;
  const [, ...thoughts] = thoughtsOf(exchange);
  /** @type {Step[]} */
  const steps = [];
  for (const part of parts.filter(isStep)) {
    const at = Math.min(part.at, answer.length);
    const thought = part.kind === "thought" ? thoughts.shift() : undefined;
    if (part.kind === "call") steps.push({ at, call: part });
    else if (thought) steps.push({ at, thought });
  }
  return steps.sort((one, other) => one.at - other.at);
}
