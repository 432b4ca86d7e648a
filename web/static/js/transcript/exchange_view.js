/** One question and its answer in the transcript. */

import { AnswerView } from "./answer_view.js";
import { QuestionView } from "./question_view.js";

/** @typedef {import("../conversation/conversation.js").Versions} Versions */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../markdown/markdown.js").Markdown} Markdown */

/**
 * @typedef {object} ExchangeEvents the actions and changes of an exchange
 * @property {(exchange: Exchange) => void} regenerate
 * @property {(exchange: Exchange) => void} resume
 * @property {(exchange: Exchange, question: string) => boolean} edit returns whether the edited question was asked
 * @property {(exchange: Exchange, question: string) => void} editCancelled the reader has closed the editor of a changed question
 * @property {(exchange: Exchange, choice: import("./branch_switch.js").BranchChoice) => void} choose
 * @property {(exchange: Exchange) => void} show another version, which has the later messages
 * @property {(exchange: Exchange, call: import("../conversation/answer_parts.js").ToolCall, isAllowed: boolean) =>
 *   Promise<import("../api/run_control.js").ConsentOutcome>} decide tells the server whether a tool may be called
 * @property {(name: string) => void} consentAsked a tool of this name asks for the reader's permission
 * @property {(exchange: Exchange) => void} delete
 * @property {(exchange: Exchange) => void} askInNew starts a new conversation with the question and its images as its draft
 * @property {(isSaved: boolean) => void} draftSaved false: the browser refuses to store an edited question, or another draft
 * @property {() => import("./remedy.js").Remedies} remedies what the reader can change
 * @property {() => void} changeTemperature opens the settings of the conversation
 * @property {() => void} chooseModel opens the choice of model
 * @property {() => void} reload loads the page again, which leads to the sign-in where that is needed
 * @property {() => void} retryReady called when the wait before a retry is over
 * @property {() => void} grown called after an answer has grown
 * @property {() => void} expanded called after the reader has opened or closed a collapsible section
 *
 * @typedef {ExchangeEvents & { openEditor: () => void }} AnswerEvents
 */

export class ExchangeView {
  #exchange;
  #question;
  #answer;
  /** What tells the shown version from others; empty for one that grows. */
  #shown = "";

  /**
   * @param {Exchange} exchange
   * @param {ExchangeEvents} events
   */
  constructor(exchange, events) {
    this.#exchange = exchange;
    this.#question = new QuestionView(exchange, events);
    this.#answer = new AnswerView({ ...events, openEditor: () => this.#question.edit() });
    this.element = document.createElement("div");
    this.element.className = "exchange";
    this.element.append(...this.#question.elements, this.#answer.element);
  }

  /** @param {Markdown} markdown */
  useMarkdown(markdown) {
    this.#answer.useMarkdown(markdown);
  }

  /** @param {Versions} versions */
  show(versions) {
    const { questions, answers } = versions;
    this.#question.show(questions);
    this.#answer.branches.show(answers, answers.indexOf(this.#exchange));
    this.#answer.showLater(versions);
    if (this.#exchange.state === "running") this.grow();
    else if (this.#version !== this.#shown) this.finish({ announce: false });
  }

  /** A later file may complete an answer that keeps its time. */
  get #version() {
    const { changed, state, answer } = this.#exchange;
    return `${changed} ${state} ${answer.length}`;
  }

  /** The unsent text in the editor of the question; empty if there is none. */
  get unsentEdit() {
    return this.#question.unsentEdit;
  }

  /** Opens the editor of the question again. @param {string} question as it was edited */
  reopenEditor(question) {
    return this.#question.reopenEditor(question);
  }

  translate() {
    this.#answer.translate(this.#exchange);
  }

  /** @returns {boolean} false if there is no answer to copy */
  copyAnswer() {
    return this.#answer.copy();
  }

  /** @param {import("./branch_switch.js").BranchChoice} choice */
  focusSwitch({ name, step }) {
    const { branches } = name === "questionVersions" ? this.#question : this.#answer;
    return { button: branches.focus(step), sentence: branches.sentence };
  }

  focusEnding() {
    this.#answer.focusEnding();
  }

  grow() {
    this.#shown = "";
    this.#answer.grow(this.#exchange);
  }

  /** @param {import("../conversation/exchange.js").Obstacle | null} obstacle */
  showConnection(obstacle) {
    this.#answer.showConnection(obstacle);
  }

  /** @param {{ announce: boolean }} options */
  finish(options) {
    this.#shown = this.#version;
    this.#answer.finish(this.#exchange, options);
  }
}
