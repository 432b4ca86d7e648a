/**
 * Fits the earlier messages of a conversation into one request. The newest are kept, question and answer together; the
 * oldest are left out. The operator's system prompt is not among them: the server adds it to every request.
 */

import { beginningOf } from "../api/beginning.js";
import { bodyOf } from "../api/chat_request.js";

/** @typedef {import("../api/chat_request.js").Message} Message */
/** @typedef {import("../api/chat_request.js").Question} Question */

/**
 * @typedef {object} HistoryLimits of one request
 * @property {number} maxMessages
 * @property {number} maxChars code points of one message
 * @property {number} maxBytes of the body
 * @property {boolean} takesImages whether images may be sent
 */

const MIN_CHARS = 100; // of a shortened message: fewer do not help the model
const encoder = new TextEncoder();

/**
 * @param {Question} question with the whole history, oldest first: each question, followed by its answer if it has one
 * @param {HistoryLimits} limits
 * @returns {{ history: Message[], leftOut: number, bytes: number }} what is sent of the history, how many messages of it
 *   are not sent as a whole, and the size of the body
 */
export function fitHistory(question, { maxMessages, maxChars, maxBytes }) {
  const all = question.history;
  /** @type {Message[]} */
  const history = [];
  let bytes = byteLength(bodyOf({ ...question, history }, { isKept: true }));
  let whole = 0;
  for (let end = all.length, from = end; end > 0; end = from) {
    from = end - 1;
    while (from > 0 && all[from]?.role !== "user") from -= 1;
    const turn = all.slice(from, end);
    if (history.length + turn.length > maxMessages) break;
    // the server would refuse the whole request for one message that is too long; of that, its end matters
    let sent = turn.map((message) => shorten(message, maxChars));
    // images are the largest, and matter least of what is long past; the answer has what it needs of the results of tools
    if (bytes + sizeOf(sent) > maxBytes) sent = sent.map(withoutImages);
    if (history.length > 0 && bytes + sizeOf(sent) > maxBytes) sent = sent.map(withoutCalls);
    // without any of the last answer, the model could not continue it, and without its calls it would make them again
    for (let most = maxChars; history.length === 0 && bytes + sizeOf(sent) > maxBytes && most >= MIN_CHARS; most /= 2) {
      sent = sent.map((message) => shorten(message, Math.floor(most / 2)));
    }
    const size = sizeOf(sent);
    if (bytes + size > maxBytes) break;
    bytes += size;
    history.unshift(...sent);
    whole += sent.filter((message, index) => isWhole(message, turn[index])).length;
  }
  return { history, leftOut: all.length - whole, bytes };
}

/**
 * @template {{ images?: string[] }} Sent
 * @param {Sent} message
 */
export function withoutImages({ images: _, ...message }) {
  return message;
}

/** @param {Message} message */
function withoutCalls({ tool_calls: _, ...message }) {
  return message;
}

/** @param {Message} sent @param {Message} [message] */
function isWhole({ content, images, tool_calls: calls }, message) {
  return content === message?.content && images === message.images && calls === message.tool_calls;
}

/** @param {Message[]} messages @returns {number} their bytes in a body, and up to two more */
function sizeOf(messages) {
  return byteLength(JSON.stringify(messages));
}

/** @param {string} text */
function byteLength(text) {
  return encoder.encode(text).length;
}

/**
 * @param {Message} message
 * @param {number} most code points
 * @returns {Message} with the end of its text, and the beginnings of the results of tools
 */
function shorten(message, most) {
  const { content, tool_calls: calls } = message;
  const isLong = calls?.some(({ text }) => text.length > most);
  const shortened = isLong ? { ...message, tool_calls: calls?.map((call) => ({ ...call, text: beginningOf(call.text, most) })) } : message;
  if (content.length <= most) return shortened;
  const characters = [...content];
  return characters.length <= most ? shortened : { ...shortened, content: characters.slice(-most).join("") };
}
