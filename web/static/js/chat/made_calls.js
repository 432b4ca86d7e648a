/** The calls of tools that an unfinished answer has made, for the model that goes on with it: a mail must not be sent twice. */

import { callsOf } from "../conversation/answer_parts.js";

const MAX_CHARS = 2000; // of arguments, and of a result: the model needs to know what was done, and the message is limited
const MAX_CALLS = 20; // the last ones

/**
 * @param {import("../conversation/answer_parts.js").AnswerPart[]} [parts] of the answer
 * @returns {string} a line for each call that has ended, oldest first; empty if none has
 */
export function madeCalls(parts) {
  const made = callsOf(parts).filter(({ result }) => result);
  return made.slice(-MAX_CALLS).map(({ name, arguments: given, result }) => `- ${name}(${short(given)}): ${short(result?.text ?? "")}`).join("\n");
}

/** @param {string} text @returns {string} its beginning, in one line */
function short(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS)}…` : line;
}
