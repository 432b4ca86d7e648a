/** One answer that is being written: it takes the reply as it comes, and in the end says how it went. */

import { lockAnswer } from "./answer_lock.js";
import { requestAnswer } from "../api/chat_request.js";
import { appendChunk } from "../conversation/exchange.js";
import { Failure } from "../api/failure.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {Pick<Exchange, "state" | "failure">} Outcome */

const UNLOAD_MS = 250; // Chromium on a busy machine takes 40

export class Run {
  #controller = new AbortController();
  #hasEnded = false;

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  constructor(conversation, exchange) {
    this.conversation = conversation;
    this.exchange = exchange;
    /** Tells other tabs that it is written no more. */
    this.release = lockAnswer(exchange.id);
  }

  stop() {
    if (!this.#hasEnded) this.#controller.abort(); // one that is over lets its connection end by itself
  }

  /**
   * @param {Question} question
   * @param {() => void} grown called after each chunk
   * @returns {Promise<Outcome>}
   */
  async receive(question, grown) {
    const { exchange } = this;
    const { signal } = this.#controller;
    const stopwatch = new Stopwatch();
    try {
      for await (const chunk of requestAnswer(question, signal)) {
        if (signal.aborted) break;
        appendChunk(exchange, chunk);
        if (chunk.done) exchange.figures = stopwatch.details(chunk.usage);
        else stopwatch.markToken();
        grown();
      }
      return { state: signal.aborted ? "stopped" : "complete" };
    } catch (error) {
      if (signal.aborted) return { state: "stopped" };
      return { state: "failed", failure: await failureOf(error) };
    } finally {
      this.#hasEnded = true;
      exchange.figures ??= stopwatch.details();
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
    await new Promise((resolve) => setTimeout(resolve, UNLOAD_MS));
  }
  return error.record;
}
