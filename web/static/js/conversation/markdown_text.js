/** Writes texts, and the sources of an answer, as Markdown. */

/** @typedef {import("./exchange.js").Exchange} Exchange */

/** @param {string} text @returns {string} as Markdown that shows it */
export function escaped(text) {
  return text.replace(/[\\`*_[\]<>&~|$#]/g, "\\$&");
}

/** @param {Exchange} exchange @returns {string} a numbered list; empty if its answer has no sources */
export function sourceList({ parts = [] }) {
  const sources = parts.filter((part) => part.kind === "source");
  return sources.map(({ title, url }, index) => `${index + 1}. ${url ? `[${escaped(title)}](<${url}>)` : escaped(title)}`).join("\n");
}

/** @param {Exchange} exchange @returns {string} its answer, with the list of its sources if it has some */
export function answerWithSources(exchange) {
  const sources = sourceList(exchange);
  return sources ? `${exchange.answer.trimEnd()}\n\n${sources}` : exchange.answer;
}
