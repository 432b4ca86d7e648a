/** One answer that is being written: it takes the reply as it comes, and in the end says how it went. */

import { holdAnswer } from "./answer_lock.js";
import { ask } from "../api/chat_request.js";
import { take } from "../conversation/exchange.js";
import { Failure } from "../api/failure.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {Pick<Exchange, "state" | "failure">} Outcome */

const LEAVING_MS = 250; // Chromium on a busy machine takes 40

export class Run {
  #controller = new AbortController();
  #over = false;

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  constructor(conversation, exchange) {
    this.conversation = conversation;
    this.exchange = exchange;
    /** Tells other tabs that it is written no more. */
    this.release = holdAnswer(exchange.id);
  }

  stop() {
    if (!this.#over) this.#controller.abort(); // one that is over lets its connection end by itself
  }

  /**
   * @param {Question} question
   * @param {() => void} grown called after each piece
   * @returns {Promise<Outcome>}
   */
  async receive(question, grown) {
    const { exchange } = this;
    const { signal } = this.#controller;
    const stopwatch = new Stopwatch();
    try {
      for await (const piece of ask(question, signal)) {
        if (signal.aborted) break;
        take(exchange, piece);
        if (piece.done) exchange.figures = stopwatch.figures(piece.usage);
        else stopwatch.token();
        grown();
      }
      return { state: signal.aborted ? "stopped" : "complete" };
    } catch (error) {
      if (signal.aborted) return { state: "stopped" };
      return { state: "failed", failure: await failureOf(error) };
    } finally {
      this.#over = true;
      exchange.figures ??= stopwatch.figures();
    }
  }
}

/** @param {unknown} error */
async function failureOf(error) {
  if (!(error instanceof Failure)) {
    console.error(error); // a defect of this page
    return { code: "page", retryable: true };
  }
  if (["network", "offline"].includes(error.record.code)) {
    // a browser breaks the connections of a page that is being left, and tells the page only then
    await new Promise((resolve) => setTimeout(resolve, LEAVING_MS));
  }
  return error.record;
}
