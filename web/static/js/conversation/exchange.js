/** One question with its answer. Pure data; knows no DOM, no network and no storage. */

import { newIdentifier } from "./identifier.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

/**
 * @typedef {"running" | "complete" | "stopped" | "failed"} AnswerState
 *
 * @typedef {object} Exchange
 * @property {string} id
 * @property {string | null} parent the exchange that it follows; null for a first one
 * @property {string} question
 * @property {string} answer what has come so far
 * @property {string} reasoning
 * @property {number} [thoughtFrom] milliseconds since 1970; where there is reasoning
 * @property {number} [thoughtMs] until the answer began, or ended without a word
 * @property {AnswerState} state
 * @property {number} created milliseconds since 1970
 * @property {number} changed milliseconds since 1970; of two forms of one exchange, the later counts
 * @property {string} [finishReason] where the answer is complete
 * @property {FailureRecord} [failure] where it failed
 * @property {import("../api/answer_details.js").AnswerDetails} [figures] what it took
 */

/** @type {readonly AnswerState[]} */
export const ANSWER_STATES = ["running", "complete", "stopped", "failed"];

/** What an answer is marked with whose page went away. @type {Readonly<FailureRecord>} */
export const INTERRUPTED = Object.freeze({ code: "interrupted", retryable: true });

/**
 * @param {string} question
 * @param {string | null} parent
 * @returns {Exchange} one whose answer is about to be asked for
 */
export function newExchange(question, parent) {
  const now = Date.now();
  return {
    id: newIdentifier(),
    parent,
    question,
    answer: "",
    reasoning: "",
    state: "running",
    created: now,
    changed: now,
  };
}

/**
 * Makes it run again, with what it has.
 * @param {Exchange} exchange
 */
export function reopen(exchange) {
  delete exchange.failure;
  delete exchange.finishReason;
  delete exchange.figures;
  exchange.state = "running";
}

/**
 * @param {Exchange} exchange takes the next chunk of its reply
 * @param {import("../api/chat_request.js").Chunk} chunk
 */
export function appendChunk(exchange, { text, reasoning, finishReason }) {
  if (exchange.answer === "" && (reasoning !== "" || exchange.thoughtFrom !== undefined)) {
    exchange.thoughtFrom ??= Date.now();
    exchange.thoughtMs = Date.now() - exchange.thoughtFrom;
  }
  exchange.answer += text;
  exchange.reasoning += reasoning;
  if (finishReason) exchange.finishReason = finishReason;
}

/**
 * @param {Exchange} exchange of which no more will come
 * @param {Pick<Exchange, "state" | "failure">} outcome
 */
export function finish(exchange, outcome) {
  const { answer, thoughtFrom } = exchange;
  if (answer === "" && thoughtFrom !== undefined) exchange.thoughtMs = Date.now() - thoughtFrom;
  Object.assign(exchange, outcome);
}

/** @param {Exchange} exchange */
export function forgetReasoning(exchange) {
  exchange.reasoning = "";
  delete exchange.thoughtFrom;
  delete exchange.thoughtMs;
}

/**
 * @param {Exchange} exchange
 * @returns {boolean} whether the answer broke off with something to go on from
 */
export function canContinue({ state, answer, finishReason, failure }) {
  if (answer.trim() === "") return false;
  if (state === "complete") return finishReason === "length";
  return state === "stopped" || (state === "failed" && failure?.retryable === true);
}

/**
 * @param {Exchange} exchange
 * @returns {boolean} whether the model is told of it when a later question is asked: a reader who stopped an answer
 *   and goes on means what is there; an answer that failed says nothing
 */
export function isSentToModel({ state, answer }) {
  return (state === "complete" || state === "stopped") && answer.trim() !== "";
}
