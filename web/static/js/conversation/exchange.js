/** One question with its answer. */

import { beforeNextRequest, isStep, withEvents, withThought, withoutProgress } from "./answer_parts.js";
import { newIdentifier } from "./identifier.js";
import { gapAfter, missThinking, thoughtStart } from "./thoughts.js";

/** @typedef {import("../api/failure.js").FailureRecord} FailureRecord */

/**
 * @typedef {"running" | "complete" | "stopped" | "failed"} AnswerState
 *
 * @typedef {object} Exchange
 * @property {string} id
 * @property {string | null} parent the id of the previous exchange; null for a first one
 * @property {string[]} [removed] the ids of exchanges between it and its parent that were removed, nearest first
 * @property {string} question
 * @property {ImageReference[]} [images] of the question
 * @property {string} answer the text received so far
 * @property {string} reasoning
 * @property {import("./answer_parts.js").AnswerPart[]} [parts] what it has besides: calls of tools, sources,
 *   where the model has thought again
 * @property {number} [thoughtFrom] only while the model is thinking: when it would have begun if it had thought in one go;
 *   milliseconds since 1970
 * @property {number} [thoughtMs] all times of thinking in this answer together
 * @property {number[]} [untimed] the indexes of thoughts whose times are not known
 * @property {AnswerState} state
 * @property {number} created milliseconds since 1970
 * @property {number} changed milliseconds since 1970; of two versions of one exchange, the later wins
 * @property {string} [finishReason] if the answer is complete
 * @property {FailureRecord} [failure] if the answer failed
 * @property {import("../api/chat_request.js").StopReason | "deleted"} [stopReason] if the server has stopped the answer by
 *   itself, or it ran when it was deleted
 * @property {KeptRun} [run] where the server keeps the answer, if it does
 * @property {number} [leftOut] how many of the earlier messages the last request left out
 * @property {boolean} [isWithoutImages] whether it left out the images, which the server does not take
 * @property {import("../api/answer_details.js").AnswerDetails} [figures] times and tokens; stored and exported under this name
 */

/** @typedef {"reconnecting" | "questionQueued" | "restQueued"} Obstacle what keeps a running answer from growing, also the key of its sentence */

/** @typedef {{ id: string, name: string, width: number, height: number }} ImageReference see storage/image_store.js */

/**
 * @typedef {object} KeptRun
 * @property {string} id names the answer at the server; empty until the server has named it
 * @property {string} key under which it was requested: a second request with it gets the same answer
 * @property {number} last the number of the last event that is part of the answer here
 * @property {number} asked milliseconds since 1970
 * @property {string} [model] as in `figures`
 * @property {boolean} [joins] whether the text after `last` has still to be joined to that of an earlier request
 */

/** @type {readonly AnswerState[]} */
export const ANSWER_STATES = ["running", "complete", "stopped", "failed"];

const TOO_LARGE = 413; // of a status, also of a proxy's
/** Codes of failures whose cause may be the question: it would keep all later ones from being answered. */
const OF_THE_QUESTION = new Set([
  "invalid_request", "too_large", "refused", "content_filtered", "context_length_exceeded", "upstream_rejected", "unexpected_reply", "page", "unknown",
]);

/** The failure of an answer whose page was closed. @type {Readonly<FailureRecord>} */
export const INTERRUPTED = Object.freeze({ code: "interrupted", retryable: true });

/** The failure of an answer that an imported file does not have, or not as a whole. @type {Readonly<FailureRecord>} */
export const IMPORT_INCOMPLETE = Object.freeze({ code: "import_incomplete", retryable: true });

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
  delete exchange.isWithoutImages;
  delete exchange.stopReason;
  delete exchange.run;
  delete exchange.thoughtFrom; // of an answer that earlier versions have stored
  if (exchange.parts) exchange.parts = beforeNextRequest(exchange.parts);
  exchange.state = "running";
}

/**
 * Appends the next chunk of the reply.
 * @param {Exchange} exchange
 * @param {import("../api/chat_request.js").Chunk} chunk
 * @param {{ goesOn?: boolean, isLate?: boolean }} [options] whether the model was asked to go on with its text, and none has
 *   come yet; whether the chunk may have waited at the server
 */
export function appendChunk(exchange, { text, reasoning, finishReason, parts }, { goesOn = false, isLate = false } = {}) {
  if (reasoning !== "" && exchange.thoughtFrom === undefined) {
    const start = thoughtStart(exchange, goesOn);
    if (start) exchange.parts = withThought(exchange.parts ?? [], start);
    else exchange.reasoning += gapAfter(exchange.reasoning, goesOn);
    exchange.thoughtFrom = Date.now() - (exchange.thoughtMs ?? 0);
  }
  measureThinking(exchange);
  if (isLate) missThinking(exchange);
  // the model thinks no more: it writes, or waits for a tool
  if (text !== "" || parts?.some(({ kind }) => kind === "call")) delete exchange.thoughtFrom;
  // in block mode, parts come together with the text, which follows them
  if (parts) exchange.parts = withEvents(exchange.parts ?? [], parts, exchange.answer.length);
  if (text !== "" && isAfterStep(exchange)) exchange.answer += "\n\n"; // another message of the model
  exchange.answer += text;
  exchange.reasoning += reasoning;
  if (finishReason) exchange.finishReason = finishReason;
}

/** @param {Exchange} exchange */
function isAfterStep({ answer, parts = [] }) {
  return answer !== "" && !answer.endsWith("\n\n") && parts.findLast(isStep)?.at === answer.length;
}

/**
 * Ends a running exchange.
 * @param {Exchange} exchange
 * @param {Pick<Exchange, "state" | "failure" | "stopReason">} outcome
 */
export function finish(exchange, outcome) {
  measureThinking(exchange);
  delete exchange.thoughtFrom;
  Object.assign(exchange, outcome);
  // of an answer that is incomplete, it says how far it came
  if (exchange.parts && exchange.state === "complete") exchange.parts = withoutProgress(exchange.parts);
}

/** @param {Exchange} exchange */
function measureThinking(exchange) {
  if (exchange.thoughtFrom !== undefined) exchange.thoughtMs = timeSince(exchange.thoughtFrom);
}

/** @param {number} from milliseconds since 1970 @returns {number} milliseconds, never negative: the clock may have been set back */
export function timeSince(from) {
  return Math.max(0, Date.now() - from);
}

/** Forgets what came before a text that never came. @param {Exchange} exchange */
export function forgetReasoning(exchange) {
  exchange.reasoning = "";
  delete exchange.parts;
  delete exchange.thoughtFrom;
  delete exchange.thoughtMs;
  delete exchange.untimed;
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
 * @returns {boolean} whether later requests contain the question, and the text of the answer if there is any
 */
export function isSentToModel({ state, question, answer, failure }) {
  if (question.trim() === "") return false; // an imported one, which the server refuses
  const mayBeRefusedAgain = failure?.status === TOO_LARGE || OF_THE_QUESTION.has(failure?.code ?? "unknown");
  return answer.trim() !== "" || state !== "failed" || !mayBeRefusedAgain;
}

/** @returns {KeptRun} of an answer that is being requested */
export function newRun() {
  return { id: "", key: newIdentifier(), last: 0, asked: Date.now() };
}

/**
 * Changes where an answer is kept. A copy of the exchange that is being stored stays as it is: text and number must match.
 * @param {Exchange} exchange of an answer that is kept; otherwise nothing happens
 * @param {Partial<KeptRun>} changes
 */
export function setRun(exchange, changes) {
  if (exchange.run) exchange.run = { ...exchange.run, ...changes };
}

/**
 * Tells which of two versions of an exchange is later where their times do not: several tabs and devices may follow one
 * answer that the server keeps, and store it.
 * @param {Exchange} one
 * @param {Exchange} other
 * @returns {boolean} whether the first has more of the same answer than the second
 */
export function isAhead(one, other) {
  if (!one.run?.id || one.run.id !== other.run?.id) return false;
  if (one.state === "running") return other.state === "running" && one.run.last > other.run.last;
  if (other.state === "running") return true;
  if (one.state !== other.state) return one.state === "complete"; // the other page has lost its connection, or stopped too late
  // the one that has asked has measured the times
  return one.figures?.totalMs !== undefined && other.figures?.totalMs === undefined;
}

/**
 * @param {Exchange} one
 * @param {Exchange} other the same exchange, from an earlier file
 * @returns {boolean} whether it has more of an imported answer, which may have kept the time of its beginning
 */
export function completes(one, other) {
  if (other.failure?.code !== IMPORT_INCOMPLETE.code || one.changed !== other.changed) return false;
  return one.state === "complete" || one.answer.length > other.answer.length;
}
