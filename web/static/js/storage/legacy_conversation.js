/** Converts the single conversation that version 0.1.0 stored in localStorage. */

import { storageName } from "../browser/page_root.js";
import { Conversation } from "../conversation/conversation.js";
import { ANSWER_STATES, INTERRUPTED } from "../conversation/exchange.js";

const KEY = storageName("conversation.1");

/** @returns {Conversation | null} null if there is none */
export function readLegacyConversation() {
  const kept = read();
  if (kept.length === 0) return null;
  const conversation = new Conversation();
  for (const { question, answer, reasoning, state, finishReason, failure } of kept) {
    const exchange = conversation.append(question);
    Object.assign(exchange, { answer, reasoning, state });
    if (finishReason) exchange.finishReason = finishReason;
    if (failure) exchange.failure = failure;
    if (state === "running") Object.assign(exchange, { state: "failed", failure: INTERRUPTED });
  }
  return conversation;
}

/** Call when the conversation is in the database or in a backup. */
export function deleteLegacyConversation() {
  localStorage.removeItem(KEY);
}

/** @returns {any[]} */
function read() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(value) && value.every(isExchange) ? value : [];
  } catch {
    return []; // turned off, or another format
  }
}

/** @param {any} value */
function isExchange(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    ["question", "answer", "reasoning"].every((field) => typeof value[field] === "string") &&
    ANSWER_STATES.includes(value.state)
  );
}
