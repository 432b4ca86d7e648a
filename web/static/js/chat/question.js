/** Builds the request for an answer: the message and the earlier messages. */

import { messagesOf } from "../conversation/conversation.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @param {Conversation} conversation
 * @param {Exchange} exchange if it has an incomplete answer, the request asks for the rest
 * @param {number} maxHistory the most earlier messages
 * @returns {Pick<import("../api/chat_request.js").Question, "message" | "history">}
 */
export function questionOf(conversation, exchange, maxHistory) {
  if (exchange.answer.trim() === "") {
    return { message: exchange.question, history: conversation.historyBefore(exchange, maxHistory) };
  }
  const before = conversation.historyBefore(exchange, maxHistory - 2);
  return { message: texts.continueMessage, history: [...before, ...messagesOf(exchange)] };
}
