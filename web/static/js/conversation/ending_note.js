/** What is to be said of an answer that has ended otherwise than by itself and whole. */

/**
 * @param {import("./exchange.js").Exchange} exchange no longer running
 * @returns {"abandonedNote" | "logFullNote" | "deletedNote" | "stoppedNote" | "lengthNote" | "filterNote" | "emptyNote" | null}
 *   the key of the sentence; null if there is none, or the failure says it
 */
export function noteOf({ state, finishReason, answer, stopReason }) {
  if (state === "stopped" && stopReason === "abandoned") return "abandonedNote";
  if (state === "stopped" && stopReason === "log_full") return "logFullNote";
  if (state === "stopped" && stopReason === "deleted") return "deletedNote";
  if (state === "stopped") return "stoppedNote";
  if (finishReason === "length") return "lengthNote";
  if (finishReason === "content_filter") return "filterNote";
  return answer === "" ? "emptyNote" : null;
}
