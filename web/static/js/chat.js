/** The chat: asks, shows, keeps. Everything else on the page only reports to it or is told by it. */

import { ask } from "./chat_request.js";
import { DEFAULT_CONFIGURATION } from "./configuration.js";
import { Conversation } from "./conversation.js";
import { saveConversation } from "./conversation_store.js";
import { Failure } from "./failure.js";
import { words } from "./language.js";

/** @typedef {import("./configuration.js").Configuration} Configuration */
/** @typedef {import("./conversation.js").Exchange} Exchange */

/**
 * @typedef {{ exchange: Exchange, controller: AbortController }} Run
 * @typedef {Pick<Exchange, "state" | "failure">} Outcome
 *
 * @typedef {object} ChatView what the chat tells the page
 * @property {(exchange: Exchange) => void} asked
 * @property {(exchange: Exchange) => void} grown
 * @property {(exchange: Exchange) => void} ended
 * @property {() => void} cleared
 * @property {(running: boolean) => void} running
 * @property {(status: string) => void} status words for the reader who does not see the page
 * @property {() => void} notKept the browser refuses to keep the conversation
 */

export class Chat {
  /** @type {Configuration} */
  configuration = DEFAULT_CONFIGURATION;
  /** The model that the reader chose; empty for the server's own choice. */
  model = "";
  #conversation;
  #view;
  /** @type {Run | null} */
  #run = null;

  /**
   * @param {Conversation} conversation
   * @param {ChatView} view
   */
  constructor(conversation, view) {
    this.#conversation = conversation;
    this.#view = view;
  }

  get running() {
    return this.#run !== null;
  }

  /** @param {string} message */
  send(message) {
    if (this.#run) return;
    const exchange = this.#conversation.begin(message);
    this.#view.asked(exchange);
    void this.#answer(exchange);
  }

  /** @param {Exchange} exchange one that failed or was stopped */
  retry(exchange) {
    if (this.#run) return;
    this.#conversation.restart(exchange);
    void this.#answer(exchange);
  }

  /** Ends the running answer. What has come of it stays. */
  stop() {
    this.#run?.controller.abort();
  }

  /** Forgets the conversation and begins another. */
  renew() {
    this.stop();
    this.#run = null;
    this.#conversation = new Conversation();
    this.#view.cleared();
    this.#view.running(false);
    this.#view.status("");
    this.keep();
  }

  keep() {
    if (!saveConversation(this.#conversation)) this.#view.notKept();
  }

  /** The page goes away, and the connection with it. What has come so far is kept, and may be tried again. */
  leave() {
    if (this.#run) this.#end(this.#run, { state: "failed", failure: { code: "interrupted", retryable: true } });
  }

  /** @param {Exchange} exchange an empty one; never rejects */
  async #answer(exchange) {
    const run = { exchange, controller: new AbortController() };
    this.#run = run;
    this.#view.running(true);
    this.#view.status(words.generating);
    this.#view.grown(exchange);
    this.keep();
    const outcome = await this.#receive(exchange, run.controller.signal);
    // a run that has been ended meanwhile has its outcome: the page was left, or another conversation begun
    if (this.#run === run) this.#end(run, outcome);
  }

  /**
   * @param {Run} run
   * @param {Outcome} outcome
   */
  #end({ exchange, controller }, outcome) {
    this.#run = null;
    controller.abort();
    Object.assign(exchange, outcome);
    this.#view.running(false);
    this.#view.status(statusAfter(exchange));
    this.#view.ended(exchange);
    this.keep();
  }

  /**
   * @param {Exchange} exchange takes the reply as it comes
   * @param {AbortSignal} signal
   * @returns {Promise<Outcome>}
   */
  async #receive(exchange, signal) {
    const question = {
      message: exchange.question,
      history: this.#conversation.historyBefore(exchange, this.configuration.maxHistory),
      mode: this.configuration.mode,
      model: this.model,
    };
    try {
      for await (const piece of ask(question, signal)) {
        if (signal.aborted) break;
        exchange.answer += piece.text;
        exchange.reasoning += piece.reasoning;
        if (piece.finishReason) exchange.finishReason = piece.finishReason;
        this.#view.grown(exchange);
      }
      return { state: signal.aborted ? "stopped" : "complete" };
    } catch (error) {
      if (signal.aborted) return { state: "stopped" };
      if (error instanceof Failure) return { state: "failed", failure: error.record };
      console.error(error); // a defect of this page
      return { state: "failed", failure: { code: "internal", retryable: true } };
    }
  }
}

/** @param {Exchange} exchange */
function statusAfter({ state }) {
  if (state === "complete") return words.complete;
  return state === "stopped" ? words.stopped : ""; // a failure speaks for itself, as an alert
}
