/** Writes the shown path of a conversation as Markdown: each question quoted above its answer. */

import { texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @param {Conversation} conversation
 * @returns {string}
 */
export function markdownOf({ record, path }) {
  const day = new Date(record.created).toLocaleDateString(texts.tag, { dateStyle: "long" });
  return [`# ${record.title}`, `*${day}*`, ...path.map(section)].join("\n\n") + "\n";
}

/** @param {Exchange} exchange */
function section({ question, answer, state }) {
  const quoted = question.split("\n").map((line) => `> ${line}`.trimEnd());
  const parts = [quoted.join("\n")];
  if (answer.trim() !== "") parts.push(answer.trim());
  if (state !== "complete") parts.push(`*${texts.incomplete}*`);
  return parts.join("\n\n");
}
