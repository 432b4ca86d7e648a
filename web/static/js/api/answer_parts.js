/**
 * Reads what an answer has besides text: calls of tools, their results, and events of the application. Loaded with the
 * first of them.
 */

import { beginningOf } from "./beginning.js";
import { parseObject } from "./failure.js";

/**
 * @typedef {object} CallEvent the model calls a tool
 * @property {"call"} kind
 * @property {string} id
 * @property {string} name
 * @property {string} arguments as the model wrote them; usually JSON
 * @property {boolean} needsConsent whether it waits for the reader's permission
 *
 * @typedef {object} ResultEvent what a tool returned
 * @property {"result"} kind
 * @property {string} id of the call
 * @property {string} name
 * @property {string} text
 * @property {boolean} isError
 * @property {number} seconds
 * @property {string} code how it failed, where the text is the server's sentence for the model; otherwise empty
 *
 * @typedef {object} SourceEvent
 * @property {"source"} kind
 * @property {string} title
 * @property {string} url empty unless it is a web address, or was a path in the page's site
 * @property {string} text
 *
 * @typedef {object} ProgressEvent
 * @property {"progress"} kind
 * @property {string} text
 * @property {number} [share] from 0 to 1
 *
 * @typedef {object} OtherEvent of the application, which the page keeps and does not show
 * @property {"custom"} kind
 * @property {string} name
 * @property {string} data JSON
 *
 * @typedef {CallEvent | ResultEvent | SourceEvent | ProgressEvent | OtherEvent} PartEvent
 */

/** Characters that change the order of others, so that arguments look like different ones. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const MAX_CHARS = 20_000; // of each text: the page keeps and shows its beginning
const MAX_LINE_CHARS = 500; // of names, titles and the like
const MAX_ADDRESS_CHARS = 2000;

/**
 * @param {Record<string, unknown>} reply a frame of a stream, or a reply in block mode
 * @returns {PartEvent[]} those that can be read: the others are left out, as unknown fields are
 */
export function readParts(reply) {
  const { tool_call: call, tool_result: result, custom, tool_calls: calls, custom_events: events } = reply;
  const read = [callFrom(call), resultFrom(result), customFrom(custom)];
  for (const each of Array.isArray(calls) ? calls : []) read.push(callFrom(each), resultFrom(each));
  for (const each of Array.isArray(events) ? events : []) read.push(customFrom(each));
  return read.filter((each) => each !== null);
}

/**
 * @param {any} value
 * @returns {CallEvent | null}
 */
function callFrom(value) {
  const name = line(value?.name);
  if (!name) return null;
  const needsConsent = value.needs_consent === true;
  // who gives a permission sees all of them
  const json = needsConsent && typeof value.arguments === "string" ? value.arguments : text(value.arguments);
  return { kind: "call", id: line(value.id), name, arguments: json, needsConsent };
}

/**
 * @param {any} value
 * @returns {ResultEvent | null}
 */
function resultFrom(value) {
  const name = line(value?.name);
  if (!name || typeof value.text !== "string") return null;
  const { is_error: isError, seconds, code } = value;
  const outcome = { text: text(value.text), isError: isError === true, seconds: positive(seconds), code: line(code) };
  return { kind: "result", id: line(value.id), name, ...outcome };
}

/**
 * @param {any} value
 * @returns {SourceEvent | ProgressEvent | OtherEvent | null}
 */
function customFrom(value) {
  const name = line(value?.name);
  if (!name) return null;
  const { data } = value;
  if (name === "citation") return sourceFrom(data && { ...data, url: wholeAddress(data.url) });
  if (name === "progress") {
    const words = line(data?.text);
    const share = typeof data?.share === "number" ? { share: Math.min(1, positive(data.share)) } : {};
    return words || "share" in share ? { kind: "progress", text: words, ...share } : null;
  }
  const json = jsonOf(data);
  return json.length > MAX_CHARS ? null : { kind: "custom", name, data: json };
}

/**
 * @param {any} value
 * @param {number} [mostChars] of its text
 * @returns {SourceEvent | null} null if it has neither a title nor a web address
 */
export function sourceFrom(value, mostChars = MAX_CHARS) {
  const url = webAddress(value?.url);
  const title = line(value?.title) || url;
  return title ? { kind: "source", title, url, text: text(value.text, mostChars) } : null;
}

/** @param {unknown} value @returns {string} empty if it is nested too deeply */
function jsonOf(value) {
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    return ""; // RangeError
  }
}

/** @param {unknown} value @returns {string} as the browser writes it, in punycode; empty if it is no web address */
function webAddress(value) {
  if (typeof value !== "string" || value.length > MAX_ADDRESS_CHARS || !/^https?:/i.test(value) || !URL.canParse(value)) return "";
  return new URL(value).href;
}

/** @param {unknown} value @returns {unknown} the whole address of a path in the page's site; anything else as it is */
function wholeAddress(value) {
  if (typeof value !== "string" || !/^\/(?![/\\])/.test(value) || !URL.canParse(value, location.origin)) return value;
  const { origin, href } = new URL(value, location.origin);
  return origin === location.origin ? href : value; // a browser drops tabs: "/\t/example.org" is on another site
}

/** @param {unknown} value @param {number} [mostChars] @returns {string} */
function text(value, mostChars = MAX_CHARS) {
  return typeof value === "string" ? beginningOf(value, mostChars) : "";
}

/** @param {unknown} value @returns {string} in one line */
function line(value) {
  return typeof value === "string" ? beginningOf(value, MAX_LINE_CHARS).replace(/\s+/g, " ").trim() : "";
}

/** @param {unknown} value */
function positive(value) {
  return typeof value === "number" && value > 0 ? value : 0;
}

/**
 * @param {string} json arguments of a call
 * @returns {string} indented if it is a JSON object; otherwise as it is. Marks of direction are escaped.
 */
export function prettyArguments(json) {
  const value = parseObject(json);
  const pretty = value && jsonOf(value) ? JSON.stringify(value, null, 2) : json;
  return pretty.replace(DIRECTIONS, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);
}
