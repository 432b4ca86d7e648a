/** What the model is asked: a message, and what it is told of the past. */

import { messagesOf } from "../conversation/conversation.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @param {Conversation} conversation
 * @param {Exchange} exchange where it has the beginning of an answer, the rest is asked for
 * @param {number} maxHistory messages
 * @returns {Pick<import("../api/chat_request.js").Question, "message" | "history">}
 */
export function questionOf(conversation, exchange, maxHistory) {
  if (exchange.answer.trim() === "") {
    return { message: exchange.question, history: conversation.historyBefore(exchange, maxHistory) };
  }
  const before = conversation.historyBefore(exchange, maxHistory - 2);
  return { message: texts.continueMessage, history: [...before, ...messagesOf(exchange)] };
}
