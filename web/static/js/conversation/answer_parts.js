/** What an answer has besides its text, in the order in which it came. The words of its reasoning are elsewhere. */

/** @typedef {import("../api/answer_parts.js").PartEvent} PartEvent */

/**
 * @typedef {object} ToolCall
 * @property {"call"} kind
 * @property {number} at how many characters of the answer came before it
 * @property {string} id
 * @property {string} name
 * @property {string} arguments
 * @property {boolean} [needsConsent]
 * @property {"sent" | "allowed" | "denied" | "elsewhere"} [decision] the reader's; or another page has decided. `sent`: a
 *   permission was sent, which the server may have got, and the call waits here
 * @property {boolean} [isOver] whether its request has ended without its result
 * @property {{ text: string, isError: boolean, seconds: number, code?: string }} [result] `code` as in `ResultEvent`
 *
 * @typedef {ToolCall | import("./thoughts.js").ThoughtStart | import("../api/answer_parts.js").SourceEvent | import("../api/answer_parts.js").ProgressEvent
 *   | import("../api/answer_parts.js").OtherEvent} AnswerPart
 */

export const MOST_PARTS = 500; // far above what an answer needs; without a limit, a stream would fill the memory

/**
 * Returns new lists and parts: the given ones may be being stored.
 * @param {readonly AnswerPart[]} parts
 * @param {readonly PartEvent[]} events
 * @param {number} at how many characters of the answer came before them
 * @returns {AnswerPart[]}
 */
export function withEvents(parts, events, at) {
  const all = [...parts];
  for (const event of events) {
    // it was the progress of what has ended, or of what waits for the reader now
    if (event.kind === "result" || event.kind === "progress" || (event.kind === "call" && event.needsConsent)) {
      all.splice(0, all.length, ...withoutProgress(all));
    }
    if (event.kind === "result") {
      const { id, name, text, isError, seconds, code } = event;
      // of several requests for one answer, the ids may be the same
      const index = all.findLastIndex((part) => part.kind === "call" && part.id === id && !part.result && !part.isOver);
      const known = /** @type {ToolCall | undefined} */ (all[index]);
      /** @type {ToolCall} */
      const call = { ...(known ?? { kind: "call", at, id, name, arguments: "" }), result: { text, isError, seconds, ...(code && { code }) } };
      if (known) all[index] = call;
      else all.push(call);
    } else if (event.kind === "call") {
      const { needsConsent, ...call } = event;
      all.push({ ...call, at, ...(needsConsent && { needsConsent }) });
    } else if (event.kind !== "source" || !all.some((part) => part.kind === "source" && part.url === event.url && part.title === event.title)) {
      all.push(event); // an answer may cite a source several times
    }
  }
  return limited(all);
}

/**
 * @param {readonly AnswerPart[]} parts
 * @param {import("./thoughts.js").ThoughtStart} start
 */
export function withThought(parts, start) {
  return limited([...parts, start]);
}

/**
 * Leaves out what is too much, the last first: what the page does not show, then all but calls, as a call may wait for the reader.
 * @param {AnswerPart[]} parts
 */
function limited(parts) {
  let excess = parts.length - MOST_PARTS;
  /** @type {AnswerPart["kind"][][]} */
  const order = [["custom"], ["custom", "source", "progress", "thought"]];
  for (const kinds of order) {
    if (excess <= 0) break;
    const dropped = new Set(parts.filter(({ kind }) => kinds.includes(kind)).slice(-excess));
    parts = parts.filter((part) => !dropped.has(part));
    excess -= dropped.size;
  }
  return parts.slice(0, MOST_PARTS);
}

/** @param {readonly AnswerPart[]} parts */
export function withoutProgress(parts) {
  return parts.filter(({ kind }) => kind !== "progress");
}

/**
 * @param {readonly AnswerPart[]} parts
 * @returns {AnswerPart[]} before another request for the rest of the answer
 */
export function beforeNextRequest(parts) {
  return withoutProgress(parts).map((part) => (part.kind === "call" && !part.result ? { ...part, isOver: true } : part));
}

/**
 * @param {readonly AnswerPart[]} parts
 * @param {string} id of a call
 * @param {NonNullable<ToolCall["decision"]>} decision
 */
export function withDecision(parts, id, decision) {
  // The last of this id: its result may come before the reply to the decision.
  const last = parts.map((part) => part.kind === "call" && part.id === id).lastIndexOf(true);
  const isKnown = (/** @type {ToolCall} */ part) => decision === "sent" && part.decision;
  return parts.map((part, index) => (part.kind === "call" && index === last && !isKnown(part) ? { ...part, decision } : part));
}

/**
 * @param {readonly AnswerPart[]} parts
 * @param {readonly AnswerPart[]} [others] of the same run
 * @returns {AnswerPart[]} with those decisions that only the others have
 */
export function withDecisionsOf(parts, others) {
  const known = new Map(callsOf(others).map(({ id, at, decision }) => [`${at} ${id}`, decision]));
  return parts.map((part) => {
    const decision = part.kind === "call" && awaitsDecision(part) && known.get(`${part.at} ${part.id}`);
    return decision ? { ...part, decision } : part;
  });
}

/** @param {ToolCall} call @returns {boolean} whether it waits for the reader's permission, if its answer is running */
export function awaitsDecision({ needsConsent, decision, result, isOver }) {
  return Boolean(needsConsent && (!decision || decision === "sent") && !result && !isOver);
}

/** @param {AnswerPart} part @returns {part is ToolCall | import("./thoughts.js").ThoughtStart} whether it has a place in the text */
export function isStep(part) {
  return part.kind === "call" || part.kind === "thought";
}

/**
 * @param {readonly AnswerPart[]} [parts]
 * @returns {NonNullable<import("../api/chat_request.js").Message["tool_calls"]>} those calls that have ended, for the model
 */
export function endedCallsOf(parts) {
  return callsOf(parts).flatMap(({ name, arguments: given, result }) => (result ? [{ name, arguments: given, text: result.text }] : []));
}

/**
 * @param {readonly AnswerPart[]} [parts]
 * @returns {ToolCall[]}
 */
export function callsOf(parts = []) {
  return parts.filter((part) => part.kind === "call");
}
