/** One time of the model's thinking, in a collapsible section with its duration. Rendered only while open. */

import { timeSince } from "../conversation/exchange.js";
import { setLabel, texts } from "../i18n/language.js";
import { MarkdownView } from "../markdown/markdown_view.js";
import { FollowedEnd } from "./followed_end.js";

/** @typedef {import("../conversation/thoughts.js").Thought} Thought */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */

export class ReasoningView {
  #summary = document.createElement("summary");
  #box = document.createElement("div");
  #text = document.createElement("div");
  #markdown = new MarkdownView(this.#text);
  #end = new FollowedEnd(this.#box, { follow: () => this.#follow() });
  /** Whether the reader has not seen anything of it since the section was closed. */
  #isUnseen = true;
  #grown;
  #expanded;
  /** @type {Thought} */
  #thought = { text: "", isGoingOn: false };
  #timer = 0;

  /** @param {Pick<import("./exchange_view.js").ExchangeEvents, "grown" | "expanded">} events */
  constructor({ grown, expanded }) {
    this.#grown = grown;
    this.#expanded = expanded;
    this.element = document.createElement("details");
    this.element.className = "reasoning";
    this.element.hidden = true;
    this.#box.className = "reasoning-text";
    this.#box.tabIndex = 0; // makes it scrollable by keyboard
    this.#box.setAttribute("role", "group"); // not a landmark: there may be many
    setLabel(this.#box, "reasoning");
    this.#box.append(this.#text);
    this.element.append(this.#summary, this.#box);
    this.element.addEventListener("toggle", () => {
      if (this.element.open) return this.#render(this.#expanded);
      this.#isUnseen = true;
      return this.#expanded();
    });
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#markdown.useMarkdown(markdown);
  }

  /** @param {Thought} thought */
  show(thought) {
    this.#thought = thought;
    this.element.hidden = thought.text === "";
    if (thought.isGoingOn) this.#timer ||= setInterval(() => this.#updateSummary(), 1000);
    else this.#stopTimer();
    this.#updateSummary();
    this.#render(this.#grown);
  }

  /** Updates the summary to the current language. */
  translate() {
    this.#updateSummary();
  }

  #updateSummary() {
    if (!this.element.isConnected) this.#stopTimer(); // another conversation is shown
    const { ms = 0, isGoingOn, since } = this.#thought;
    const took = ms > 0 ? texts.thoughtFor(seconds(ms)) : texts.reasoning;
    const takes = since === undefined ? texts.thinking : texts.thinkingFor(seconds(timeSince(since)));
    const text = isGoingOn ? takes : took;
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }

  #stopTimer() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  /** @param {() => void} grown called after the section has grown */
  #render(grown) {
    if (!this.element.open) return;
    this.#text.classList.add("prose");
    const { text, isGoingOn } = this.#thought;
    if (isGoingOn) this.#markdown.grow(text, () => this.#follow());
    else this.#markdown.finish(text, grown);
  }

  /** Scrolls to the end if the reader was there. */
  #follow() {
    if (this.#isUnseen) this.#end.recheck(); // a long text is read from its beginning
    else if (this.#end.isFollowed) this.#end.goToEnd();
    this.#isUnseen = false;
    this.#end.note();
    this.#grown();
  }
}

/** @param {number} ms */
function seconds(ms) {
  return Math.max(1, Math.round(ms / 1000));
}
