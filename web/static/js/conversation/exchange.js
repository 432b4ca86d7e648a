/** One question with its answer. */

import { newIdentifier } from "./identifier.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

/**
 * @typedef {"running" | "complete" | "stopped" | "failed"} AnswerState
 *
 * @typedef {object} Exchange
 * @property {string} id
 * @property {string | null} parent the id of the previous exchange; null for a first one
 * @property {string} question
 * @property {string} answer the text received so far
 * @property {string} reasoning
 * @property {number} [thoughtFrom] milliseconds since 1970; absent without reasoning
 * @property {number} [thoughtMs] until the answer began, or ended without text
 * @property {AnswerState} state
 * @property {number} created milliseconds since 1970
 * @property {number} changed milliseconds since 1970; of two versions of one exchange, the later wins
 * @property {string} [finishReason] if the answer is complete
 * @property {FailureRecord} [failure] if the answer failed
 * @property {number} [leftOut] how many of the earlier messages the last request left out
 * @property {import("../api/answer_details.js").AnswerDetails} [figures] times and tokens; stored and exported under this name
 */

/** @type {readonly AnswerState[]} */
export const ANSWER_STATES = ["running", "complete", "stopped", "failed"];

/** The failure of an answer whose page was closed. @type {Readonly<FailureRecord>} */
export const INTERRUPTED = Object.freeze({ code: "interrupted", retryable: true });

/**
 * @param {string} question
 * @param {string | null} parent
 * @returns {Exchange} a running one, without an answer
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
 * Makes an exchange run again. Its answer so far stays.
 * @param {Exchange} exchange
 */
export function reopen(exchange) {
  delete exchange.failure;
  delete exchange.finishReason;
  delete exchange.figures;
  delete exchange.leftOut;
  exchange.state = "running";
}

/**
 * Appends the next chunk of the reply.
 * @param {Exchange} exchange
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
 * Ends a running exchange.
 * @param {Exchange} exchange
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
 * @returns {boolean} whether the model can continue the answer: it is incomplete and has text
 */
export function canContinue({ state, answer, finishReason, failure }) {
  if (answer.trim() === "") return false;
  if (state === "complete") return finishReason === "length";
  return state === "stopped" || (state === "failed" && failure?.retryable === true);
}

/**
 * @param {Exchange} exchange
 * @returns {boolean} whether later requests contain it: complete and stopped answers with text, but no failed ones
 */
export function isSentToModel({ state, question, answer }) {
  // an imported question may be empty, which the server refuses
  return (state === "complete" || state === "stopped") && answer.trim() !== "" && question.trim() !== "";
}
