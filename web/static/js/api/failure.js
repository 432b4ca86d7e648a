/**
 * Why there is no answer, or an incomplete one. The server's codes are in docs/reference/errors.md. The page adds these:
 *
 * - `network`          the connection to the server failed
 * - `cut_off`          the stream ended without its terminal frame
 * - `offline`          the connection failed, and the browser is offline
 * - `unexpected_reply` the reply is not from this API: a proxy's page, invalid JSON
 * - `interrupted`      the page was closed or reloaded while the answer was being written
 * - `server_stopped`   the server's `interrupted`: the process that was writing the answer has ended
 * - `import_failed`    another application's answer, which had failed there
 * - `import_incomplete` an imported answer, which its file does not have, or not as a whole
 * - `page`             a bug in this page
 */

/**
 * @typedef {object} FailureRecord stored with the exchange
 * @property {string} code
 * @property {boolean} retryable
 * @property {number} [status]
 * @property {number} [retryAfter] seconds
 * @property {number} [retryAt] when `retryAfter` ends, in milliseconds since 1970
 * @property {string} [requestId]
 * @property {string} [sentence] the application's own words
 */

const UNLOAD_MS = 250; // measured: Chromium on a busy machine takes 40

export class Failure extends Error {
  /** @param {FailureRecord} record */
  constructor(record) {
    super(record.code);
    this.name = "Failure";
    this.record = record;
  }
}

/**
 * @param {Record<string, unknown>} body a JSON object with `success: false`
 * @param {number} [status]
 * @param {number} [retryAfter]
 */
export function failureFromJson(body, status, retryAfter) {
  /** @type {FailureRecord} */
  const record = {
    // stored answers have had `interrupted` as the page's own code since before the server had it
    code: body.code === "interrupted" ? "server_stopped" : typeof body.code === "string" ? body.code : "unknown",
    retryable: body.retryable !== false,
  };
  if (status !== undefined) record.status = status;
  if (retryAfter !== undefined) setWait(record, retryAfter);
  if (record.code === "refused" && typeof body.error === "string") record.sentence = body.error;
  if (typeof body.request_id === "string") record.requestId = body.request_id;
  return new Failure(record);
}

/**
 * @param {Response} response with an error status
 * @returns {Promise<Failure>}
 */
export async function failureFromResponse(response) {
  const retryAfter = seconds(response.headers.get("Retry-After"));
  const body = await readObject(response);
  if (body?.success === false) return failureFromJson(body, response.status, retryAfter);
  /** @type {FailureRecord} */
  const record = { code: "unexpected_reply", retryable: true, status: response.status };
  if (retryAfter !== undefined) setWait(record, retryAfter);
  const requestId = response.headers.get("X-Request-Id");
  if (requestId) record.requestId = requestId;
  return new Failure(record);
}

/**
 * @param {FailureRecord} record
 * @param {number} seconds
 */
function setWait(record, seconds) {
  record.retryAfter = seconds;
  record.retryAt = Date.now() + seconds * 1000;
}

/**
 * @param {Response} response
 * @returns {Promise<Record<string, unknown> | null>} null if the body is no JSON object
 */
export async function readObject(response) {
  return parseObject(await response.text());
}

/**
 * @param {string} text
 * @returns {Record<string, unknown> | null}
 */
export function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * @param {unknown} value a number of seconds, or an HTTP date, as `Retry-After` allows
 * @returns {number | undefined}
 */
function seconds(value) {
  if (value === null || value === undefined || value === "") return undefined;
  const number = Number(value);
  if (Number.isFinite(number)) return Math.max(0, Math.ceil(number));
  const date = Date.parse(String(value));
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}

/** @returns {Failure} of a connection, also while a part of the page is loaded */
export function connectionFailure() {
  return new Failure({ code: navigator.onLine ? "network" : "offline", retryable: true });
}

/** A browser closes a page's connections just before it unloads the page. Waits for that. */
export async function waitForUnload() {
  await new Promise((resolve) => setTimeout(resolve, UNLOAD_MS));
}
