/** Requests and receives an answer, or receives the rest of one that the server keeps. */

import { requestAnswer } from "../api/chat_request.js";
import { takeSlot } from "../api/connection_slots.js";
import { appendChunk, setRun } from "../conversation/exchange.js";
import { missThinking } from "../conversation/thoughts.js";
import { connectionFailure, Failure, waitForUnload } from "../api/failure.js";
import { fitHistory, withoutImages } from "./history_limits.js";
import { receiveKept } from "../api/kept_answer.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Chunk} Chunk */
/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./continuation.js").Continuation} Continuation */
/** @typedef {import("./history_limits.js").HistoryLimits} HistoryLimits */
/** @typedef {import("./run.js").Outcome} Outcome */
/**
 * @typedef {Pick<import("./run.js").RunEvents, "grown" | "named"> & {
 *   connected: (isConnected: boolean) => void,
 *   queued: (isQueued: boolean) => void,
 * }} ReceiverEvents `queued`: the answer waits for a connection that others hold
 */

const GAP_MS = 1500; // after which a time that was measured across it would be seen to be false
const CATCH_UP_MS = 2000; // within which the server sends what it has kept meanwhile, on a usual network

export class AnswerReceiver {
  #exchange;
  #follows;
  #signal;
  #events;
  /** Until when chunks may come that have waited at the server; milliseconds since 1970. Not known while the connection is lost. */
  #lateUntil = 0;

  /**
   * @param {Exchange} exchange
   * @param {boolean} follows whether another page may be receiving the same answer
   * @param {AbortSignal} signal ends the receiving
   * @param {ReceiverEvents} events
   */
  constructor(exchange, follows, signal, events) {
    this.#exchange = exchange;
    this.#follows = follows;
    this.#signal = signal;
    this.#events = events;
  }

  /**
   * Requests the answer, and appends each chunk to the exchange.
   * @param {Question} question with its whole history
   * @param {HistoryLimits} limits
   * @param {boolean} joins whether the answer goes on after the present text
   * @returns {Promise<Outcome>}
   */
  ask(question, limits, joins) {
    return this.#receive(this.#request(question, limits), () => joins, true);
  }

  /** @returns {Promise<Outcome>} */
  follow() {
    return this.#receive(this.#receiveKept(null), () => this.#exchange.run?.joins === true, false);
  }

  /**
   * @param {AsyncIterable<Chunk>} chunks requested when the first one is
   * @param {() => boolean} joins called then
   * @param {boolean} asks whether the answer is requested here
   * @returns {Promise<Outcome>}
   */
  async #receive(chunks, joins, asks) {
    const exchange = this.#exchange;
    const signal = this.#signal;
    /** @type {Continuation | null} */
    let continuation = null;
    /** @type {Chunk["stopReason"]} */
    let stopReason;
    /** @type {Stopwatch | null} */
    let stopwatch = null;
    let free = () => {};
    try {
      free = await takeSlot(signal, () => this.#events.queued(true));
      this.#events.queued(false);
      if (asks) {
        stopwatch = new Stopwatch();
        setRun(exchange, { asked: Date.now() });
      } else if (Date.now() - exchange.changed > GAP_MS) this.#miss();
      if (joins()) continuation = await loadContinuation(exchange.answer);
      for await (const chunk of chunks) {
        if (signal.aborted) break;
        this.#append(chunk, continuation);
        if (chunk.done) exchange.figures = stopwatch?.details(chunk.usage) ?? (chunk.usage ? { usage: chunk.usage } : {});
        else stopwatch?.markToken();
        stopReason = chunk.stopReason;
        this.#events.grown();
      }
      if (stopReason && stopReason !== "stopped") return { state: "stopped", stopReason };
      return { state: signal.aborted || stopReason ? "stopped" : "complete" };
    } catch (error) {
      if (signal.aborted) return { state: "stopped" };
      return { state: "failed", failure: await failureOf(error) };
    } finally {
      free();
      exchange.answer += continuation?.push("", true) ?? ""; // what waited for more text, if the stream has failed
      exchange.figures ??= stopwatch?.details() ?? {};
    }
  }

  /**
   * @param {Chunk} chunk
   * @param {Continuation | null} continuation
   */
  #append(chunk, continuation) {
    const exchange = this.#exchange;
    // a call stands behind all of the text that came before it
    const isCall = chunk.parts?.some(({ kind }) => kind === "call" || kind === "result");
    if (isCall && continuation?.isJoined === false) exchange.answer += continuation.push("", true);
    const options = { goesOn: continuation?.isJoined === false, isLate: Date.now() < this.#lateUntil };
    appendChunk(exchange, continuation ? { ...chunk, text: continuation.push(chunk.text, chunk.done) } : chunk, options);
    const { run } = exchange;
    // until the end is stored, the terminal event must be received again; so must text that is not in the answer yet
    if (!run || chunk.done || continuation?.isWaiting) return;
    setRun(exchange, { last: chunk.number ?? run.last, ...(continuation?.isJoined && { joins: false }) });
  }

  /**
   * Requests the answer with as much of the history as the server accepts.
   * @param {Question} question
   * @param {HistoryLimits} limits
   */
  async *#request(question, limits) {
    const hasImages = [question, ...question.history].some(({ images }) => images);
    let whole = question;
    if (hasImages && limits.takesImages) whole = await (await needed(import("./image_messages.js"))).withImages(question);
    else if (hasImages) {
      whole = { ...withoutImages(question), history: question.history.map(withoutImages) };
      this.#exchange.isWithoutImages = true;
    }
    for (let { maxBytes } = limits; ; ) {
      const { history, leftOut, bytes } = fitHistory(whole, { ...limits, maxBytes });
      if (leftOut > 0) this.#exchange.leftOut = leftOut;
      const asked = { ...whole, history };
      try {
        return yield* this.#exchange.run ? this.#receiveKept(asked) : requestAnswer(asked, this.#signal);
      } catch (error) {
        // a proxy before the server may accept less than the server
        if (!(error instanceof Failure) || error.record.status !== 413 || history.length === 0) throw error;
        maxBytes = Math.floor(bytes / 2);
      }
    }
  }

  /** @param {Question | null} question null for an answer that another page has requested */
  async *#receiveKept(question) {
    const exchange = this.#exchange;
    const signal = this.#signal;
    const run = /** @type {import("../conversation/exchange.js").KeptRun} */ (exchange.run);
    signal.throwIfAborted();
    yield* receiveKept(question, { ...run, mayBeSent: this.#follows }, signal, {
      named: (id) => {
        setRun(exchange, { id });
        this.#events.named();
      },
      unkept: () => delete exchange.run,
      connected: (isConnected) => {
        if (!isConnected) this.#miss();
        else if (this.#lateUntil === Infinity) this.#lateUntil = Date.now() + CATCH_UP_MS;
        this.#events.connected(isConnected);
      },
    });
  }

  /** Call where the answer goes on, and nothing of it is received. */
  #miss() {
    this.#lateUntil = Infinity;
    missThinking(this.#exchange);
    this.#events.grown();
  }
}

/** @param {string} before */
async function loadContinuation(before) {
  const { Continuation } = await needed(import("./continuation.js"));
  return new Continuation(before);
}

/**
 * @template Part
 * @param {Promise<Part>} loading a part of the page
 * @returns {Promise<Part>}
 * @throws {Failure} if it cannot be loaded: offline, or after a deploy
 */
async function needed(loading) {
  try {
    return await loading;
  } catch {
    throw connectionFailure();
  }
}

/** @param {unknown} error */
async function failureOf(error) {
  if (!(error instanceof Failure)) {
    console.error(error); // a bug in this page
    return { code: "page", retryable: true };
  }
  if (["network", "offline"].includes(error.record.code)) await waitForUnload();
  return error.record;
}
