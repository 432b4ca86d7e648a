/**
 * Receives an answer that the server keeps: over as many connections as it takes, each from where the last one ended.
 * Only a terminal event ends the answer. A connection that ends without one is followed by another.
 */

import { BackOff } from "./back_off.js";
import { bodyOf, isEventStream, postQuestion, readReply, requestAnswer } from "./chat_request.js";
import { Failure, failureFromResponse } from "./failure.js";
import { runAddress, stopRun } from "./run_control.js";

/** @typedef {import("./chat_request.js").Chunk} Chunk */
/** @typedef {import("./chat_request.js").Question} Question */

/**
 * @typedef {object} KeptAnswerEvents
 * @property {(id: string) => void} named the server keeps the answer under this id
 * @property {() => void} unkept the server does not keep this answer: it ends with its connection
 * @property {(isConnected: boolean) => void} connected called after each change
 */

const HEARTBEAT_MS = 15_000; // the server's default
const SILENCE_MS = 3 * HEARTBEAT_MS; // after which a connection is taken for lost
const WAKE_SILENCE_MS = HEARTBEAT_MS + 5_000; // the same, on a device that has slept
const CHECK_MS = 5_000;
const STEADY_MS = 10_000; // a connection that has lasted this long has not failed at once
const RUN_ID = /^[\w-]{1,128}$/;

/**
 * @param {Question | null} question null to follow an answer that the server has named
 * @param {{ id: string, key: string, last: number, mayBeSent: boolean }} run its id, empty if the server has not named
 *   it; the key of the request; the number of the last event that is here; and whether another page may have sent it
 * @param {AbortSignal} signal ends the reading; the generator then throws the signal's reason. An answer that the server
 *   has not named yet is stopped when it does.
 * @param {KeptAnswerEvents} events
 * @returns {AsyncGenerator<Chunk, void, void>}
 * @throws {Failure} if there is no answer, or an incomplete one
 */
export async function* receiveKept(question, { id, key, last, mayBeSent }, signal, events) {
  const connections = new Connections(signal);
  const backOff = new BackOff();
  const isUnsent = !mayBeSent && !navigator.onLine;
  let isKept = true;
  let number = last;
  try {
    for (;;) {
      let failure = new Failure({ code: "network", retryable: true });
      try {
        const response = id ? await open(id, number, connections) : await post(question, key, connections, signal);
        if (response === null) {
          isKept = false;
          events.unkept();
          return yield* requestAnswer(/** @type {Question} */ (question), signal);
        }
        if (response.status === 204) return yield { text: "", reasoning: "", done: true }; // all of it is here
        if (!id) {
          id = response.headers.get("Sluice-Run") ?? "";
          if (!RUN_ID.test(id)) {
            isKept = false;
            events.unkept();
            return yield* readReply(response, { alive: () => connections.alive() });
          }
          events.named(id);
        }
        events.connected(true);
        const openedAt = Date.now();
        const alive = () => {
          connections.alive();
          if (Date.now() - openedAt > STEADY_MS) backOff.reset();
        };
        for await (const chunk of readReply(response, { after: number, alive })) {
          backOff.reset();
          number = chunk.number ?? number;
          yield chunk;
          if (chunk.done) return;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Failure) {
          if (!isKept || !id || !isPassing(error)) throw error;
          failure = error;
        } else if (!(error instanceof TypeError || (error instanceof DOMException && error.name === "AbortError"))) {
          throw error;
        } else if (!isKept) {
          throw failure;
        } else if (!id && isUnsent) {
          throw new Failure({ code: "offline", retryable: true }); // never sent
        }
      }
      const delay = backOff.next(failure.record.retryAfter);
      if (delay === null) throw failure.record.code === "cut_off" ? new Failure({ code: "network", retryable: true }) : failure;
      events.connected(false);
      await connections.pause(delay);
      signal.throwIfAborted();
    }
  } finally {
    connections.close();
  }
}

/**
 * @param {string} id
 * @param {number} last
 * @param {Connections} connections
 * @returns {Promise<Response>} a stream of what follows the last event, or one without content
 */
async function open(id, last, connections) {
  const response = await connections.fetch((signal) =>
    fetch(runAddress(id, "/events"), { headers: { "Last-Event-ID": String(last) }, signal, cache: "no-store" }),
  );
  const { ok, status } = response;
  if (ok && (status === 204 || isEventStream(response))) return response;
  if (status === 404 || status === 410) {
    throw new Failure({ code: status === 410 ? "run_expired" : "run_unknown", retryable: true, status });
  }
  throw ok ? new Failure({ code: "unexpected_reply", retryable: true, status }) : await failureFromResponse(response);
}

/**
 * @param {Question | null} question
 * @param {string} key a request with the key of an earlier one joins its answer
 * @param {Connections} connections
 * @param {AbortSignal} ended
 * @returns {Promise<Response | null>} null if the server cannot keep answers now
 */
async function post(question, key, connections, ended) {
  if (!question) throw new Error("There is no question to ask.");
  const body = bodyOf(question, { isKept: true });
  const posted = connections.fetch((signal) => postQuestion(body, signal, { "Idempotency-Key": key }), { begins: true });
  const abandon = (/** @type {Response} */ response) => {
    const id = response.headers.get("Sluice-Run");
    if (id) void stopRun(id);
    void response.body?.cancel();
  };
  posted.then((response) => ended.aborted && abandon(response)).catch(() => {}); // awaited below
  const response = await Promise.race([posted, aborted(ended)]);
  if (response.ok) return response;
  const failure = await failureFromResponse(response);
  const { code } = failure.record;
  if (code === "store_unavailable") return null;
  if (code === "invalid_request" && response.status === 400) return null; // perhaps the operator has turned it off since
  throw failure;
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function aborted(signal) {
  return new Promise((_, reject) => {
    const fail = () => reject(/** @type {unknown} */ (signal.reason));
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}

/** @param {Failure} failure @returns {boolean} whether the answer may still go on, and another connection may reach it */
function isPassing({ record: { code, status = 0 } }) {
  return code === "cut_off" || status === 429 || status >= 500 || (code === "unexpected_reply" && status > 0);
}

/** The connections of one answer, one after the other. Ends those that are silent, and shortens pauses when it is time. */
class Connections {
  #ended;
  /** @type {AbortController | null} */
  #current = null;
  #isBeginning = false;
  #lastSign = 0;
  #resume = () => {};
  #listening = new AbortController();

  /** @param {AbortSignal} ended ends the present connection */
  constructor(ended) {
    this.#ended = ended;
    const { signal } = this.#listening;
    const wake = () => this.#wake(WAKE_SILENCE_MS);
    addEventListener("online", () => this.#wake(0), { signal });
    addEventListener("pageshow", wake, { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
    ended.addEventListener(
      "abort",
      () => {
        if (!this.#isBeginning) this.#current?.abort();
        this.#resume();
      },
      { signal },
    );
    const timer = setInterval(() => this.#endIfSilent(SILENCE_MS), CHECK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  /**
   * @param {(signal: AbortSignal) => Promise<Response>} work
   * @param {{ begins?: boolean }} [options] whether the request begins the answer: then only its reply tells what to stop
   * @returns {Promise<Response>}
   */
  async fetch(work, { begins = false } = {}) {
    this.#current = new AbortController();
    this.#isBeginning = begins;
    this.alive();
    const response = await work(this.#current.signal);
    this.#isBeginning = false;
    return response;
  }

  /** Call for each part of the reply. */
  alive() {
    this.#lastSign = Date.now();
  }

  /** @param {number} milliseconds @returns {Promise<void>} fulfilled earlier if the server may be reached again */
  pause(milliseconds) {
    this.#current = null;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#resume = () => resolve(clearTimeout(timer));
      if (this.#ended.aborted) this.#resume();
    });
  }

  close() {
    this.#listening.abort();
  }

  /** @param {number} silence */
  #wake(silence) {
    this.#resume();
    this.#endIfSilent(silence);
  }

  /** @param {number} milliseconds */
  #endIfSilent(milliseconds) {
    if (Date.now() - this.#lastSign >= milliseconds) this.#current?.abort();
  }
}
