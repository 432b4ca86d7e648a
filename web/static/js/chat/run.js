/** Requests and receives one answer. */

import { storageName } from "../browser/page_root.js";
import { requestAnswer } from "../api/chat_request.js";
import { fitHistory } from "./history_limits.js";
import { messagesOf } from "../conversation/conversation.js";
import { appendChunk } from "../conversation/exchange.js";
import { Failure } from "../api/failure.js";
import { texts } from "../i18n/language.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./history_limits.js").HistoryLimits} HistoryLimits */
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
   * @param {Question} question with its whole history
   * @param {HistoryLimits} limits
   * @param {() => void} grown called after each chunk
   * @returns {Promise<Outcome>}
   */
  async receive(question, limits, grown) {
    const { exchange } = this;
    const { signal } = this.#controller;
    const stopwatch = new Stopwatch();
    /** @type {import("./continuation.js").Continuation | null} */
    let continuation = null;
    try {
      if (exchange.answer.trim() !== "") continuation = await loadContinuation(exchange.answer);
      for await (const chunk of this.#request(question, limits)) {
        if (signal.aborted) break;
        appendChunk(exchange, continuation ? { ...chunk, text: continuation.push(chunk.text, chunk.done) } : chunk);
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
      exchange.answer += continuation?.push("", true) ?? ""; // what waited for more text, if the stream has failed
      exchange.figures ??= stopwatch.details();
    }
  }

  /**
   * Requests the answer with as much of the history as the server accepts.
   * @param {Question} question
   * @param {HistoryLimits} limits
   */
  async *#request(question, limits) {
    for (let { maxBytes } = limits; ; ) {
      const { history, leftOut, bytes } = fitHistory(question, { ...limits, maxBytes });
      if (leftOut > 0) this.exchange.leftOut = leftOut;
      try {
        return yield* requestAnswer({ ...question, history }, this.#controller.signal);
      } catch (error) {
        // a proxy before the server may accept less than the server
        if (!(error instanceof Failure) || error.record.status !== 413 || history.length === 0) throw error;
        maxBytes = Math.floor(bytes / 2);
      }
    }
  }
}

/** @param {string} before */
async function loadContinuation(before) {
  try {
    const { Continuation } = await import("./continuation.js");
    return new Continuation(before);
  } catch {
    throw new Failure({ code: navigator.onLine ? "network" : "offline", retryable: true });
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

/**
 * Builds the request for an answer: the message and the earlier messages.
 * @param {Conversation} conversation
 * @param {Exchange} exchange if it has an incomplete answer, the request asks for the rest
 * @returns {Pick<Question, "message" | "history">} with the whole history
 */
export function questionOf(conversation, exchange) {
  const history = conversation.historyBefore(exchange);
  if (exchange.answer.trim() === "") return { message: exchange.question, history };
  return { message: texts.continueMessage, history: [...history, ...messagesOf(exchange)] };
}

/**
 * Shows other tabs that this one is writing an answer. The browser releases the lock when its tab closes or crashes.
 * Plain http has no Web Locks: there an answer of another tab looks interrupted until that tab next saves it.
 * @param {string} exchange
 * @returns {() => void} releases the lock
 */
function lockAnswer(exchange) {
  /** @type {() => void} */
  let release = () => undefined;
  /** @type {Promise<void>} */
  const unlocked = new Promise((resolve) => (release = resolve));
  void navigator.locks?.request(lockName(exchange), () => unlocked);
  return release;
}

/**
 * @param {string} exchange
 * @returns {Promise<void>} fulfilled when no tab is writing the answer
 */
export async function waitUntilUnlocked(exchange) {
  await navigator.locks?.request(lockName(exchange), () => undefined);
}

/** @param {string} exchange */
function lockName(exchange) {
  return storageName(`answer.${exchange}`);
}
