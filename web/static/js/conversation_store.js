/** Keeps the conversation in this browser, across reloads. */

import { Conversation } from "./conversation.js";

/** @typedef {import("./conversation.js").Exchange} Exchange */

const KEY = "sluice.conversation.1"; // the number is the form's; another form gets another number

/**
 * @returns {Conversation} an empty one where nothing, or nothing readable, is kept
 */
export function loadConversation() {
  const kept = read();
  return new Conversation(kept.map(restored));
}

/**
 * @param {Conversation} conversation
 * @returns {boolean} false when the browser refuses: storage is full, or switched off
 */
export function saveConversation(conversation) {
  try {
    if (conversation.empty) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(conversation.exchanges));
    return true;
  } catch {
    return false;
  }
}

/** @returns {Exchange[]} */
function read() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(value) && value.every(isExchange) ? value : [];
  } catch {
    return []; // switched off or unreadable; the first save says so
  }
}

/** @param {any} value */
function isExchange(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    ["question", "answer", "reasoning"].every((field) => typeof value[field] === "string") &&
    ["running", "complete", "stopped", "failed"].includes(value.state)
  );
}

/**
 * An answer that was running when the page went away has ended there.
 * @param {Exchange} exchange
 * @returns {Exchange}
 */
function restored(exchange) {
  if (exchange.state !== "running") return exchange;
  return { ...exchange, state: "failed", failure: { code: "interrupted", retryable: true } };
}
