/** One answer that this tab receives, and the lock that shows other tabs which of them stores it. */

import { storageName } from "../browser/page_root.js";
import { connectionFailure, waitForUnload } from "../api/failure.js";
import { endedCallsOf } from "../conversation/answer_parts.js";
import { messagesOf } from "../conversation/conversation.js";
import { setRun } from "../conversation/exchange.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("./answer_receiver.js").AnswerReceiver} AnswerReceiver */
/** @typedef {import("../api/chat_request.js").Question} Question */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./history_limits.js").HistoryLimits} HistoryLimits */
/** @typedef {Pick<Exchange, "state" | "failure" | "stopReason">} Outcome */
/** @typedef {import("../conversation/exchange.js").Obstacle} Obstacle */

/**
 * @typedef {object} RunEvents
 * @property {() => void} grown called after each chunk
 * @property {() => void} named the server keeps the answer, so that other tabs and devices can follow it
 * @property {() => void} connectionChanged `obstacle` has changed
 */

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
  /** Whether it waits for a connection, as other answers hold all that they may. */
  isQueued = false;
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

  /** What keeps the answer from growing, also the key of a sentence. @returns {Obstacle | null} */
  get obstacle() {
    if (this.isQueued) return this.exchange.run?.id ? "restQueued" : "questionQueued";
    return this.isReconnecting ? "reconnecting" : null;
  }

  /** Whether nothing is received yet of an answer that another page may be storing. */
  get isIdle() {
    return this.isQueued && this.#follows;
  }

  /** Stops the answer, for all who receive it. */
  stop() {
    const id = this.exchange.run?.id;
    if (this.#hasEnded || !id || !this.#isConnected || this.isQueued) this.abort();
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
    return this.#receive(events, (receiver) => receiver.ask(question, limits, joins));
  }

  /**
   * Receives the rest of an answer that another page has requested, or this one before it was loaded again.
   * @param {RunEvents} events
   * @returns {Promise<Outcome>}
   */
  follow(events) {
    return this.#receive(events, (receiver) => receiver.follow());
  }

  /**
   * @param {RunEvents} events
   * @param {(receiver: AnswerReceiver) => Promise<Outcome>} work
   * @returns {Promise<Outcome>}
   */
  async #receive(events, work) {
    const { exchange } = this;
    const { signal } = this.#controller;
    try {
      const part = await import("./answer_receiver.js").catch(() => null); // offline, or after a deploy
      const connected = (/** @type {boolean} */ isConnected) => this.#onConnection(isConnected, events);
      const queued = (/** @type {boolean} */ isQueued) => this.#onQueued(isQueued, events);
      if (part) return await work(new part.AnswerReceiver(exchange, this.#follows, signal, { ...events, connected, queued }));
      exchange.figures ??= {};
      await waitForUnload();
      return signal.aborted ? { state: "stopped" } : { state: "failed", failure: connectionFailure().record };
    } finally {
      this.#hasEnded = true;
      clearTimeout(this.#blipTimer);
    }
  }

  /**
   * @param {boolean} isQueued
   * @param {RunEvents} events
   */
  #onQueued(isQueued, { connectionChanged }) {
    if (this.isQueued === isQueued) return;
    this.isQueued = isQueued;
    connectionChanged();
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

/**
 * Builds the request for an answer: the message and the earlier messages.
 * @param {Conversation} conversation
 * @param {Exchange} exchange if it has an incomplete answer, or has called tools, the request asks for the rest
 * @returns {Pick<Question, "message" | "images" | "history">} with the whole history, and the ids of images
 */
export function questionOf(conversation, exchange) {
  const history = conversation.historyBefore(exchange);
  const images = exchange.images?.map(({ id }) => id);
  const isBegun = exchange.answer.trim() !== "";
  const hasCalled = endedCallsOf(exchange.parts).length > 0;
  if (!isBegun && !hasCalled) return { message: exchange.question, ...(images && { images }), history };
  const message = [...(isBegun ? [texts.continueMessage] : []), ...(hasCalled ? [texts.callsMade] : [])].join("\n\n");
  return { message, history: [...history, ...messagesOf(exchange)] };
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
