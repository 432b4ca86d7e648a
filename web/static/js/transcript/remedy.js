/** What helps after a failure, as its sentence says it: the buttons below the answer, the first one first. */

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {"signIn" | "reload" | "askInNew" | "changeTemperature" | "chooseModel" | "edit" | "copyReport" | "retry"} Remedy */

/**
 * @typedef {object} Remedies what the reader can change
 * @property {boolean} hasModelChoice
 * @property {boolean} hasTemperature whether the conversation has one of its own
 */

/** @type {Remedy[]} */
const COPY = ["copyReport"];
/** @type {Remedy[]} */
const RELOAD = ["reload", "retry"];
/** @type {Remedy[]} */
const FILTERED = ["edit", "askInNew"];

/** By the code of the failure. The others may be gone at the next try. @type {Record<string, Remedy[]>} */
const BY_CODE = {
  sign_in_required: ["signIn", "retry"],
  csrf_refused: RELOAD,
  user_changed: ["reload"],
  invalid_request: RELOAD,
  unexpected_reply: RELOAD,
  page: RELOAD,
  unknown: RELOAD,
  context_length_exceeded: ["askInNew", "edit"],
  content_filtered: FILTERED,
  temperature_refused: ["changeTemperature", "retry"],
  model_not_found: ["chooseModel", "retry"],
  refused: ["edit"],
  forbidden: COPY,
  quota_exceeded: COPY,
  key_refused: COPY,
  upstream_rejected: ["copyReport", "retry"],
  upstream_invalid: ["retry", "copyReport"],
  upstream_timeout: ["retry", "edit"],
  answer_too_large: ["edit"],
  internal: ["copyReport", "retry"],
};
const TOO_LARGE = 413;

/**
 * @param {Exchange} exchange
 * @param {Remedies} remedies
 * @returns {Remedy[]} without "retry" where the sentence does not name it: the menu has it, since the cause may be gone
 */
export function remediesFor({ failure, finishReason }, { hasModelChoice, hasTemperature }) {
  if (finishReason === "content_filter") return FILTERED;
  if (failure?.status === TOO_LARGE) return ["edit"];
  const remedies = (failure && Object.hasOwn(BY_CODE, failure.code) && BY_CODE[failure.code]) || ["retry"];
  const isImpossible = (remedies[0] === "chooseModel" && !hasModelChoice) || (remedies[0] === "changeTemperature" && !hasTemperature);
  return isImpossible ? COPY : remedies;
}
