/** Sends a question to `POST /api/chat`, and reads the reply in stream or block mode. */

import { apiAddress, postHeaders } from "../browser/page_root.js";
import { readEvents, EventTooLarge } from "./event_stream.js";
import { connectionFailure, Failure, failureFromJson, failureFromResponse, parseObject, readObject } from "./failure.js";
import { readUsage } from "./answer_details.js";

const BODY_END_MS = 500; // a server ends the body after its terminal frame; a proxy may delay that end

/**
 * @typedef {object} Message
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {string[]} [images] as of a question
 * @property {{ name: string, arguments: string, text: string }[]} [tool_calls] that an answer has made, with their results
 */
/** @type {readonly StopReason[]} */
const STOP_REASONS = ["stopped", "abandoned", "log_full"];

/** Fields of a frame, or of a reply in block mode, that bring something besides text. */
const PARTS = ["tool_call", "tool_result", "custom", "tool_calls", "custom_events"];

/** @typedef {"stopped" | "abandoned" | "log_full"} StopReason why the server has stopped an answer */

/**
 * @typedef {object} Tuning how the answer should be
 * @property {string} [systemPrompt] put behind the operator's
 * @property {number} [temperature] the model's own if omitted
 */

/**
 * @typedef {QuestionItself & Tuning} Question
 *
 * @typedef {object} QuestionItself
 * @property {string} message
 * @property {string[]} [images] data URLs; until they are loaded, ids
 * @property {Message[]} history
 * @property {"stream" | "block"} mode
 * @property {string} model empty for the server's default
 */

/**
 * @typedef {object} Chunk a part of the reply
 * @property {string} text
 * @property {string} reasoning
 * @property {import("./answer_parts.js").PartEvent[]} [parts] what it has besides text
 * @property {boolean} done
 * @property {number} [number] of the event, and of all before it
 * @property {StopReason} [stopReason] if the answer was stopped; then it is the last chunk
 * @property {string} [finishReason]
 * @property {import("./answer_details.js").Usage} [usage]
 */

/**
 * Requests an answer, and yields the reply chunk by chunk. Only the last chunk has `done`.
 *
 * @param {Question} question
 * @param {AbortSignal} signal aborts the request; the generator then throws the signal's reason
 * @returns {AsyncGenerator<Chunk, void, void>}
 * @throws {Failure} if there is no answer, or an incomplete one
 */
export async function* requestAnswer(question, signal) {
  try {
    const response = await postQuestion(bodyOf(question), signal);
    if (!response.ok) throw await failureFromResponse(response);
    yield* readReply(response);
  } catch (error) {
    if (error instanceof Failure) throw error;
    signal.throwIfAborted();
    // fetch and the body's reader reject with a TypeError for all network errors
    if (error instanceof TypeError) throw connectionFailure();
    throw error;
  }
}

/**
 * @param {string} body
 * @param {AbortSignal} signal
 * @param {Record<string, string>} [headers] further ones
 */
export function postQuestion(body, signal, headers = {}) {
  return fetch(apiAddress("api/chat"), {
    method: "POST",
    headers: { "Content-Type": "application/json", ...postHeaders(), ...headers },
    body,
    signal,
  });
}

/**
 * @param {Question} question
 * @param {{ isKept?: boolean }} [options] whether the answer should go on without its connection
 * @returns {string} the body of its request
 */
export function bodyOf({ message, images = [], history, mode, model, systemPrompt, temperature }, { isKept = false } = {}) {
  return JSON.stringify({
    message,
    ...(images.length > 0 ? { images } : {}),
    conversation_history: history,
    interaction_mode: mode,
    source: "page",
    ...(model ? { model } : {}),
    ...(systemPrompt ? { system_prompt: systemPrompt } : {}),
    temperature, // left out if undefined
    ...(isKept ? { on_disconnect: "continue" } : {}),
  });
}

/**
 * Reads a reply in stream or block mode. Only the last chunk has `done`.
 *
 * @param {Response} response a successful one
 * @param {ReadingOptions} [options]
 * @returns {AsyncGenerator<Chunk, void, void>}
 * @throws {Failure} if the answer is incomplete, or the reply is not one
 */
export async function* readReply(response, options = {}) {
  try {
    if (isEventStream(response)) yield* streamedReply(response, options);
    else yield await blockReply(response);
  } catch (error) {
    if (error instanceof EventTooLarge) throw new Failure({ code: "unexpected_reply", retryable: true });
    throw error;
  }
}

/**
 * @typedef {object} ReadingOptions
 * @property {number} [after] the number of an event; up to this one, all are left out
 * @property {() => void} [alive] called for each part of the reply, even without an event
 */

/** @param {Response} response */
export function isEventStream(response) {
  return (response.headers.get("Content-Type") ?? "").toLowerCase().startsWith("text/event-stream");
}

/**
 * @param {Response} response
 * @param {ReadingOptions} options
 */
async function* streamedReply(response, { after = 0, alive }) {
  if (!response.body) throw cutOff(response);
  // Chromium reports a complete `no-store` body as failed unless it has been cloned: microsoft/playwright#42742
  void response.clone().body?.cancel();
  const reader = response.body.getReader();
  let hasEnded = false;
  try {
    for await (const event of readEvents(reader, alive)) {
      if (event.type !== "message") continue; // other event types are not part of the reply
      const number = Number(event.id) || 0; // 0 from a server that does not number them
      if (number > 0 && number <= after) continue;
      const frame = parseObject(event.data);
      if (!frame) throw unexpected(response);
      hasEnded = frame.done === true || frame.success === false;
      const chunk = chunkFrom(frame, response);
      if (number > 0) chunk.number = number;
      await addParts(chunk, frame);
      if (chunk.text || chunk.reasoning || chunk.parts || chunk.done) yield chunk;
      if (chunk.done) return;
    }
  } finally {
    void close(reader, hasEnded);
  }
  throw cutOff(response);
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {boolean} hasEnded whether the terminal frame has arrived. Then the body ends by itself: cancelling it would
 *   show as a failed request in the browser's tools, and its connection could not be used again.
 */
async function close(reader, hasEnded) {
  const cancel = () => reader.cancel().catch(() => {}); // already closed or aborted
  if (!hasEnded) return void cancel();
  const timer = setTimeout(cancel, BODY_END_MS);
  try {
    while (!(await reader.read()).done);
  } catch {
    // the reply is complete, so an error of the connection does not matter
  }
  clearTimeout(timer);
}

/** @param {Response} response */
async function blockReply(response) {
  const body = await readObject(response);
  if (typeof body?.message !== "string" && body?.success !== false) throw unexpected(response);
  const chunk = { ...chunkFrom(body, response), done: true };
  await addParts(chunk, body);
  return chunk;
}

/**
 * @param {Chunk} chunk
 * @param {Record<string, unknown>} frame with what the chunk gets
 */
async function addParts(chunk, frame) {
  if (!PARTS.some((name) => name in frame)) return;
  const part = await import("./answer_parts.js").catch(() => null);
  if (!part) return; // offline, or after a deploy: the text goes on
  const parts = part.readParts(frame);
  if (parts.length > 0) chunk.parts = parts;
}

/**
 * @param {Record<string, unknown>} frame
 * @param {Response} response
 * @returns {Chunk}
 */
function chunkFrom(frame, response) {
  if (frame.success === false && frame.code === "stopped") {
    const stopReason = STOP_REASONS.find((reason) => reason === frame.reason) ?? "stopped";
    return { text: "", reasoning: "", done: true, stopReason };
  }
  if (frame.success === false) throw failureFromJson({ ...frame, request_id: frame.request_id ?? requestIdFrom(response) });
  // Unknown fields are ignored. A frame with unreadable text fails, because text would be lost.
  const { message = "", reasoning = "", finish_reason: finishReason } = frame;
  if (typeof message !== "string" || typeof reasoning !== "string") throw unexpected(response);
  /** @type {Chunk} */
  const chunk = { text: message, reasoning, done: frame.done === true };
  if (typeof finishReason === "string") chunk.finishReason = finishReason;
  const usage = readUsage(frame.usage);
  if (usage) chunk.usage = usage;
  return chunk;
}

/** @param {Response} response */
function cutOff(response) {
  return new Failure({ code: "cut_off", retryable: true, ...requestIdField(response) });
}

/** @param {Response} response */
function unexpected(response) {
  return new Failure({ code: "unexpected_reply", retryable: true, ...requestIdField(response) });
}

/** @param {Response} response */
function requestIdFrom(response) {
  return response.headers.get("X-Request-Id") ?? undefined;
}

/** @param {Response} response */
function requestIdField(response) {
  const requestId = requestIdFrom(response);
  return requestId ? { requestId } : {};
}
