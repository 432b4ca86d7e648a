/** Receives one answer. */

import { lockAnswer } from "./answer_lock.js";
import { requestAnswer } from "../api/chat_request.js";
import { appendChunk } from "../conversation/exchange.js";
import { Failure } from "../api/failure.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {Pick<Exchange, "state" | "failure">} Outcome */

const UNLOAD_MS = 250; // measured: Chromium on a busy machine takes 40

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
    /** Tells other tabs that this tab no longer writes the answer. */
    this.release = lockAnswer(exchange.id);
  }

  stop() {
    if (!this.#hasEnded) this.#controller.abort(); // aborting after the end would break the connection
  }

  /**
   * Requests the answer, and appends each chunk to the exchange.
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
    console.error(error); // a bug in this page
    return { code: "page", retryable: true };
  }
  if (["network", "offline"].includes(error.record.code)) {
    // a browser closes a page's connections just before it unloads the page: wait for that
    await new Promise((resolve) => setTimeout(resolve, UNLOAD_MS));
  }
  return error.record;
}
