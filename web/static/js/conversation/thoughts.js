/** The times at which a model thinks within one answer: before it, and again after a call of a tool or after text. */

import { isStep } from "./answer_parts.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */

/**
 * @typedef {object} ThoughtStart another time of thinking, which ends where the next one begins
 * @property {"thought"} kind
 * @property {number} at how many characters of the answer came before it
 * @property {number} from how many characters of the reasoning came before it
 * @property {number} afterMs how long the model had thought before
 *
 * @typedef {object} Thought
 * @property {string} text
 * @property {number} [ms] how long it took; undefined where that is not known
 * @property {boolean} isGoingOn whether the model is thinking it
 * @property {number} [since] when it began, in milliseconds since 1970, if it is going on and that is known
 */

/** What a model wrote ends with a sentence or a line. Where it only pauses within one, what follows belongs to it. */
const ENDED = /(?:[.!?:…。！？：]["'”’)\]」』*_`]*|\n)\s*$/;
const NEAR = 40; // characters at the end that tell: a longer run of spaces or lines takes no time
const FENCE = /^[ \t>]*(?:`{3}|~{3})/gm;

/**
 * @param {Exchange} exchange of which the model begins to think
 * @param {boolean} goesOn whether it was asked to go on with its text, and none has come yet
 * @returns {ThoughtStart | null} null if that goes on with the thought before
 */
export function thoughtStart({ answer, reasoning, parts = [], thoughtMs = 0 }, goesOn) {
  const last = parts.findLast(isStep);
  const text = answer.slice(last?.at ?? 0);
  const isInCode = (text.match(FENCE) ?? []).length % 2 === 1;
  const isAfterText = !goesOn && !isInCode && text.trim() !== "" && hasEnded(text);
  if (last?.kind !== "call" && !isAfterText) return null;
  return { kind: "thought", at: answer.length, from: reasoning.length, afterMs: thoughtMs };
}

/**
 * @param {Exchange} exchange
 * @returns {Thought[]} the one before the answer, whose text may be empty, and one for each `ThoughtStart`
 */
export function thoughtsOf({ reasoning, parts = [], state, thoughtMs, thoughtFrom, untimed = [] }) {
  const starts = [{ from: 0, afterMs: 0 }, ...startsIn(parts)];
  return starts.map(({ from, afterMs }, index) => {
    const next = starts[index + 1];
    const text = reasoning.slice(from, next?.from);
    const isGoingOn = !next && state === "running" && thoughtFrom !== undefined;
    if (untimed.includes(index)) return { text, isGoingOn };
    const untilMs = next ? next.afterMs : thoughtMs;
    return {
      text,
      isGoingOn,
      ...(untilMs !== undefined && { ms: Math.max(0, untilMs - afterMs) }),
      ...(isGoingOn && { since: thoughtFrom + afterMs }),
    };
  });
}

/**
 * Gives up the time of the present thought, if the model is thinking. Call when a part of the answer may come, or has come,
 * later than the model wrote it.
 * @param {Exchange} exchange
 */
export function missThinking(exchange) {
  if (exchange.thoughtFrom === undefined) return;
  const present = startsIn(exchange.parts ?? []).length;
  if (!exchange.untimed?.includes(present)) exchange.untimed = [...(exchange.untimed ?? []), present];
}

/**
 * @param {string} before what the model has thought
 * @param {boolean} goesOn whether it was asked to go on
 * @returns {string} what stands between that and another thought for which there is no other place
 */
export function gapAfter(before, goesOn) {
  return before !== "" && !before.endsWith("\n\n") && (goesOn || hasEnded(before)) ? "\n\n" : "";
}

/** @param {import("./answer_parts.js").AnswerPart[]} parts */
function startsIn(parts) {
  return parts.filter((part) => part.kind === "thought");
}

/** @param {string} text */
function hasEnded(text) {
  return ENDED.test(text.slice(-NEAR));
}
