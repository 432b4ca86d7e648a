/** What helps after a failure: the first button below the answer does it. Trying again comes after it. */

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {"signIn" | "reload" | "startFromHere" | "changeTemperature" | "chooseModel" | "edit" | "copyReport"} Remedy */

/**
 * @typedef {object} Remedies what the reader can change
 * @property {boolean} hasModelChoice
 * @property {boolean} hasTemperature whether the conversation has one of its own
 */

/** By the code of the failure. The others may be gone at the next try. @type {Record<string, Remedy>} */
const BY_CODE = {
  sign_in_required: "signIn",
  csrf_refused: "reload",
  user_changed: "reload",
  invalid_request: "reload",
  unexpected_reply: "reload",
  page: "reload",
  unknown: "reload",
  context_length_exceeded: "startFromHere",
  content_filtered: "startFromHere",
  temperature_refused: "changeTemperature",
  model_not_found: "chooseModel",
  refused: "edit",
  forbidden: "copyReport",
  quota_exceeded: "copyReport",
  key_refused: "copyReport",
  upstream_rejected: "copyReport",
};
const TOO_LARGE = 413;

/**
 * @param {Exchange} exchange
 * @param {Remedies} remedies
 * @returns {Remedy | null} null where nothing is better than trying again
 */
export function remedyFor({ failure, finishReason }, { hasModelChoice, hasTemperature }) {
  if (finishReason === "content_filter" || failure?.status === TOO_LARGE) return "startFromHere";
  if (!failure || !Object.hasOwn(BY_CODE, failure.code)) return null;
  const remedy = BY_CODE[failure.code] ?? null;
  if (remedy === "chooseModel" && !hasModelChoice) return "copyReport";
  if (remedy === "changeTemperature" && !hasTemperature) return "copyReport";
  return remedy;
}
