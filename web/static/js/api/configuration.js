/** The server's configuration for the page. */

import { apiAddress } from "../browser/page_root.js";
import { isCurrency } from "./answer_details.js";
import { readObject } from "./failure.js";

/**
 * @typedef {{ prompt: string, label: string }} Starter
 * @typedef {Partial<Record<"en" | "zh", Starter[]>>} StartersByLanguage a missing language uses the page's own
 *
 * @typedef {object} Configuration
 * @property {"stream" | "block"} mode
 * @property {string[]} models that the reader may choose from
 * @property {string} model the server's default
 * @property {number} maxMessageChars
 * @property {number} maxHistory messages
 * @property {number} maxBodyBytes of a request
 * @property {boolean} allowsSystemPrompt whether a question may bring a system prompt
 * @property {boolean} allowsTemperature
 * @property {boolean} allowsImages
 * @property {boolean} isResumable whether the server keeps answers whose connection ends
 * @property {StartersByLanguage} starters set by the operator
 * @property {string} currency of the costs of answers; empty if the server has no prices
 */

/** Used until the server has answered, and if it does not answer. @type {Readonly<Configuration>} */
export const DEFAULT_CONFIGURATION = Object.freeze({
  mode: "stream",
  models: [],
  model: "",
  maxMessageChars: 100_000,
  maxHistory: 200,
  maxBodyBytes: 2 ** 20,
  allowsSystemPrompt: false,
  allowsTemperature: false,
  allowsImages: false,
  isResumable: false,
  starters: {},
  currency: "",
});

/**
 * @returns {Promise<Configuration>}
 * @throws {Error} if the server does not answer, or does not answer with a configuration
 */
export async function fetchConfiguration() {
  const response = await fetch(apiAddress("api/config"));
  const body = response.ok ? await readObject(response) : null;
  if (!body) throw new Error(`The configuration could not be read (status ${response.status}).`);
  const defaults = DEFAULT_CONFIGURATION;
  return {
    mode: body.interaction_mode === "block" ? "block" : "stream",
    models: Array.isArray(body.models) ? body.models.filter((model) => typeof model === "string") : [],
    model: typeof body.model === "string" ? body.model : defaults.model,
    maxMessageChars: nonNegative(body.max_message_chars) ?? defaults.maxMessageChars,
    maxHistory: nonNegative(body.max_history) ?? defaults.maxHistory,
    maxBodyBytes: nonNegative(body.max_body_bytes) ?? defaults.maxBodyBytes,
    allowsSystemPrompt: body.allow_system_prompt === true,
    allowsTemperature: body.allow_temperature === true,
    allowsImages: body.images === true,
    isResumable: body.resumable === true,
    starters: readStarters(body.starters),
    currency: isCurrency(body.currency) ? body.currency : "",
  };
}

/** @param {Configuration} configuration @returns {boolean} false if the server takes no images; true where it could not be asked */
export function mayTakeImages(configuration) {
  return configuration.allowsImages || configuration === DEFAULT_CONFIGURATION;
}

/** @param {unknown} value */
function nonNegative(value) {
  return typeof value === "number" && value >= 0 ? value : undefined;
}

/**
 * @param {unknown} value of the reply
 * @returns {StartersByLanguage}
 */
function readStarters(value) {
  /** @type {StartersByLanguage} */
  const read = {};
  if (typeof value !== "object" || value === null) return read;
  for (const language of /** @type {const} */ (["en", "zh"])) {
    const starters = /** @type {Record<string, unknown>} */ (value)[language];
    if (Array.isArray(starters)) read[language] = starters.filter(isStarter);
  }
  return read;
}

/**
 * @param {any} value
 * @returns {value is Starter}
 */
function isStarter(value) {
  return typeof value?.prompt === "string" && typeof value.label === "string";
}
