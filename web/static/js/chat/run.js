/** Requests and receives one answer, or receives the rest of one that the server keeps. */

import { storageName } from "../browser/page_root.js";
import { messagesOf } from "../conversation/conversation.js";
import { appendChunk, setRun } from "../conversation/exchange.js";
import { Failure } from "../api/failure.js";
import { texts } from "../i18n/language.js";
import { Stopwatch } from "../api/answer_details.js";

/** @typedef {import("../api/chat_request.js").Chunk} Chunk */
/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../api/kept_answer.js").KeptAnswerEvents} KeptAnswerEvents */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./continuation.js").Continuation} Continuation */
/** @typedef {import("./history_limits.js").HistoryLimits} HistoryLimits */
/** @typedef {Pick<Exchange, "state" | "failure" | "stopReason">} Outcome */

/**
 * @typedef {object} RunEvents
 * @property {() => void} grown called after each chunk
 * @property {() => void} named the server keeps the answer, so that other tabs and devices can follow it
 * @property {() => void} connectionChanged `isReconnecting` has changed
 */

const UNLOAD_MS = 250; // measured: Chromium on a busy machine takes 40
const STOP_MS = 1500; // the server stops an answer within one second, also one of another process
const BLIP_MS = 1000; // a connection that is back after this time was not missed

export class Run {
  #controller = new AbortController();
  #hasEnded = false;
  #follows;
  /** Whether this tab stores the answer. Of the tabs that receive it, one does. */
  isWriter;
  /** Whether the connection is lost, for long enough to say so. */
  isReconnecting = false;
  #isConnected = true;
  #blipTimer = 0;

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   * @param {{ follows?: boolean }} [options] whether another page may be receiving the same answer
   */
  constructor(conversation, exchange, { follows = false } = {}) {
    this.conversation = conversation;
    this.exchange = exchange;
    this.#follows = follows;
    this.isWriter = !follows;
    const { acquired, release } = lockAnswer(exchange.id);
    /** Tells other tabs that this tab no longer writes the answer. */
    this.release = release;
    /** Fulfilled when this tab stores the answer. @type {Promise<void>} */
    this.whenWriter = follows ? acquired.then(() => void (this.isWriter = true)) : Promise.resolve();
  }

  /** Whether the answer goes on when this page is left. */
  get isKept() {
    return this.exchange.run !== undefined;
  }

  /** Stops the answer, for all who receive it. */
  stop() {
    const id = this.exchange.run?.id;
    if (this.#hasEnded || !id || !this.#isConnected) this.abort();
    else setTimeout(() => this.abort(), STOP_MS); // all that was sent should be shown, as in other tabs
    if (id && this.exchange.state === "running") void loadRunControl().then((control) => control?.stopRun(id));
  }

  /** Stops the answer, and has the server forget it. */
  discard() {
    this.abort();
    if (this.exchange.run) discardRun(this.exchange.run.id);
  }

  /** Receives no more. */
  abort() {
    if (!this.#hasEnded) this.#controller.abort(); // aborting after the end would break the connection
  }

  /**
   * Requests the answer, and appends each chunk to the exchange.
   * @param {Question} question with its whole history
   * @param {HistoryLimits} limits
   * @param {RunEvents} events
   * @returns {Promise<Outcome>}
   */
  ask(question, limits, events) {
    const { exchange } = this;
    const joins = exchange.answer.trim() !== "";
    if (joins) setRun(exchange, { joins });
    return this.#receive(this.#request(question, limits, events), joins, new Stopwatch(), events);
  }

  /**
   * Receives the rest of an answer that another page has requested, or this one before it was loaded again.
   * @param {RunEvents} events
   * @returns {Promise<Outcome>}
   */
  follow(events) {
    return this.#receive(this.#receiveKept(null, events), this.exchange.run?.joins === true, null, events);
  }

  /**
   * @param {AsyncIterable<Chunk>} chunks
   * @param {boolean} joins
   * @param {Stopwatch | null} stopwatch
   * @param {RunEvents} events
   * @returns {Promise<Outcome>}
   */
  async #receive(chunks, joins, stopwatch, { grown }) {
    const { exchange } = this;
    const { signal } = this.#controller;
    /** @type {Continuation | null} */
    let continuation = null;
    /** @type {Chunk["stopReason"]} */
    let stopReason;
    try {
      if (joins) continuation = await loadContinuation(exchange.answer);
      for await (const chunk of chunks) {
        if (signal.aborted) break;
        this.#append(chunk, continuation);
        if (chunk.done) exchange.figures = stopwatch?.details(chunk.usage) ?? (chunk.usage ? { usage: chunk.usage } : {});
        else stopwatch?.markToken();
        stopReason = chunk.stopReason;
        grown();
      }
      if (stopReason && stopReason !== "stopped") return { state: "stopped", stopReason };
      return { state: signal.aborted || stopReason ? "stopped" : "complete" };
    } catch (error) {
      if (signal.aborted) return { state: "stopped" };
      return { state: "failed", failure: await failureOf(error) };
    } finally {
      this.#hasEnded = true;
      clearTimeout(this.#blipTimer);
      exchange.answer += continuation?.push("", true) ?? ""; // what waited for more text, if the stream has failed
      exchange.figures ??= stopwatch?.details() ?? {};
    }
  }

  /**
   * @param {Chunk} chunk
   * @param {Continuation | null} continuation
   */
  #append(chunk, continuation) {
    const { exchange } = this;
    // a call stands behind all of the text that came before it
    const isCall = chunk.parts?.some(({ kind }) => kind === "call" || kind === "result");
    if (isCall && continuation?.isJoined === false) exchange.answer += continuation.push("", true);
    appendChunk(exchange, continuation ? { ...chunk, text: continuation.push(chunk.text, chunk.done) } : chunk);
    const { run } = exchange;
    // until the end is stored, the terminal event must be received again; so must text that is not in the answer yet
    if (!run || chunk.done || continuation?.isWaiting) return;
    setRun(exchange, { last: chunk.number ?? run.last, ...(continuation?.isJoined && { joins: false }) });
  }

  /**
   * Requests the answer with as much of the history as the server accepts.
   * @param {Question} question
   * @param {HistoryLimits} limits
   * @param {RunEvents} events
   */
  async *#request(question, limits, events) {
    const { fitHistory } = await needed(import("./history_limits.js"));
    const hasImages = [question, ...question.history].some(({ images }) => images);
    const whole = hasImages ? await (await needed(import("./image_messages.js"))).withImages(question) : question;
    for (let { maxBytes } = limits; ; ) {
      const { history, leftOut, bytes } = fitHistory(whole, { ...limits, maxBytes });
      if (leftOut > 0) this.exchange.leftOut = leftOut;
      const asked = { ...whole, history };
      try {
        return yield* this.isKept ? this.#receiveKept(asked, events) : this.#receiveUnkept(asked);
      } catch (error) {
        // a proxy before the server may accept less than the server
        if (!(error instanceof Failure) || error.record.status !== 413 || history.length === 0) throw error;
        maxBytes = Math.floor(bytes / 2);
      }
    }
  }

  /**
   * @param {Question | null} question
   * @param {RunEvents} events
   */
  async *#receiveKept(question, events) {
    const { exchange } = this;
    const { signal } = this.#controller;
    const run = /** @type {import("../conversation/exchange.js").KeptRun} */ (exchange.run);
    const part = await import("../api/kept_answer.js").catch(() => null); // offline, or after a deploy
    signal.throwIfAborted();
    if (!part && question) {
      delete exchange.run;
      return yield* this.#receiveUnkept(question);
    }
    if (!part) throw connectionFailure();
    yield* part.receiveKept(question, { ...run, mayBeSent: this.#follows }, signal, {
      named: (id) => {
        setRun(exchange, { id });
        events.named();
      },
      unkept: () => delete exchange.run,
      connected: (isConnected) => this.#onConnection(isConnected, events),
    });
  }

  /** @param {Question} question */
  async *#receiveUnkept(question) {
    const { requestAnswer } = await import("../api/chat_request.js"); // `history_limits.js` has loaded it
    yield* requestAnswer(question, this.#controller.signal);
  }

  /**
   * @param {boolean} isConnected
   * @param {RunEvents} events
   */
  #onConnection(isConnected, { connectionChanged }) {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    const show = (/** @type {boolean} */ isReconnecting) => {
      if (this.isReconnecting === isReconnecting) return;
      this.isReconnecting = isReconnecting;
      connectionChanged();
    };
    clearTimeout(this.#blipTimer);
    if (isConnected) show(false);
    else this.#blipTimer = setTimeout(() => show(true), BLIP_MS);
  }
}

/** Stops an answer, and has the server forget it. @param {string} id empty if the server has not named it */
export function discardRun(id) {
  if (id) void loadRunControl().then((control) => control?.deleteRun(id));
}

/**
 * @param {string} id of a run
 * @param {string} call
 * @param {boolean} isAllowed
 */
export async function sendConsent(id, call, isAllowed) {
  return (await loadRunControl())?.sendConsent(id, call, isAllowed) ?? "failed";
}

function loadRunControl() {
  return import("../api/run_control.js").catch(() => null); // offline: without a reader, the server stops it by itself
}

function connectionFailure() {
  return new Failure({ code: navigator.onLine ? "network" : "offline", retryable: true });
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
 * @returns {Pick<Question, "message" | "images" | "history">} with the whole history, and the ids of images
 */
export function questionOf(conversation, exchange) {
  const history = conversation.historyBefore(exchange);
  const images = exchange.images?.map(({ id }) => id);
  if (exchange.answer.trim() === "") return { message: exchange.question, ...(images && { images }), history };
  return { message: texts.continueMessage, history: [...history, ...messagesOf(exchange)] };
}

/**
 * Shows other tabs that this one is writing an answer. The browser releases the lock when its tab closes or crashes.
 * Plain http has no Web Locks: there an answer of another tab looks interrupted until that tab next saves it; one that the
 * server keeps is stored by each tab.
 * @param {string} exchange
 * @returns {{ acquired: Promise<void>, release: () => void }} fulfilled when this tab has the lock, and what releases it
 */
function lockAnswer(exchange) {
  /** @type {() => void} */
  let release = () => undefined;
  /** @type {Promise<void>} */
  const unlocked = new Promise((resolve) => (release = resolve));
  /** @type {Promise<void>} */
  const acquired = new Promise((resolve) => {
    if (!navigator.locks) resolve();
    void navigator.locks?.request(lockName(exchange), () => {
      resolve();
      return unlocked;
    });
  });
  return { acquired, release };
}

/**
 * @param {string} exchange
 * @returns {Promise<void>} fulfilled when no tab is writing the answer
 */
export async function waitUntilUnlocked(exchange) {
  await navigator.locks?.request(lockName(exchange), () => undefined);
}

/**
 * @param {string} exchange
 * @returns {Promise<boolean>} whether a tab is writing the answer, as far as the browser tells
 */
export async function isLocked(exchange) {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return held.some(({ name }) => name === lockName(exchange));
}

/** @param {string} exchange */
function lockName(exchange) {
  return storageName(`answer.${exchange}`);
}
