/**
 * Exports conversations as JSON and imports them, also from files of other applications. Imported files are untrusted: unknown fields are dropped, and a file
 * with any invalid value is refused as a whole.
 */

import { isCurrency } from "../api/answer_details.js";
import { Conversation } from "../conversation/conversation.js";
import { ANSWER_STATES, IMPORT_INCOMPLETE, INTERRUPTED } from "../conversation/exchange.js";
import { ArchiveError } from "./archive_error.js";
import { readForeign } from "./foreign_archive.js";
import { isZip, zippedConversations } from "./zipped_archive.js";
import { MAX_IMAGES } from "../conversation/image_limits.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";
import { isIdentifier } from "../conversation/identifier.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

const FORMAT = "sluice.conversations";
const VERSION = 1; // increase it if older pages cannot read the new format
const MAX_BYTES = 100_000_000; // years of conversations need far less, and a browser can still parse this much
const END_BYTES = 100; // more than what is written around the images
const MAX_TITLE_CHARS = 200;
const DECISIONS = ["sent", "allowed", "denied", "elsewhere"];

/**
 * @param {Conversation[]} conversations
 * @param {(room: number) => Promise<Map<string, Blob>>} collect returns the images, each as JSON, in at most this many bytes
 * @returns {Promise<Blob>} a file that `readArchive` can read; images are behind the conversations, for pages that do not know them
 */
export async function writeArchive(conversations, collect) {
  const archive = {
    format: FORMAT,
    version: VERSION,
    exported: new Date().toISOString(),
    conversations: conversations.filter(({ isEmpty }) => !isEmpty).map(({ record, exchanges }) => ({ ...record, exchanges: exchanges.map(withoutRun) })),
  };
  const text = new Blob([JSON.stringify(archive, null, 1).slice(0, -"\n}".length)]);
  const images = [...(await collect(MAX_BYTES - text.size - END_BYTES))].flatMap(([id, json], at) => [at > 0 ? "," : "", `\n  "${id}": `, json]);
  return new Blob([text, ...(images.length > 0 ? [',\n "images": {', ...images, "\n }"] : []), "\n}\n"], { type: "application/json" });
}

/** @param {Exchange} exchange @returns {Exchange} without what only its server and this browser understand */
function withoutRun({ run: _, removed: __, ...exchange }) {
  return exchange;
}

/**
 * @typedef {object} ReadArchive
 * @property {Conversation[]} conversations
 * @property {Record<string, unknown>} images by their ids, unchecked
 * @property {number} leftOut how much of the file the conversations lack
 */

/**
 * @param {Blob} file
 * @returns {Promise<ReadArchive>}
 * @throws {ArchiveError}
 */
export async function readArchive(file) {
  const value = await valueOf(file);
  const foreign = value?.format === FORMAT ? null : readForeign(value);
  if (foreign) return { ...foreign, images: {} };
  if (value?.format !== FORMAT) throw new ArchiveError("notArchive");
  const archive = object(value);
  if (typeof archive.version !== "number" || archive.version > VERSION) throw new ArchiveError("archiveNewer");
  const conversations = list(archive.conversations).map((each) => conversationFrom(each));
  const ids = conversations.flatMap(({ id, exchanges }) => [id, ...exchanges.map((exchange) => exchange.id)]);
  ensure(new Set(ids).size === ids.length);
  const images = archive.images === undefined ? {} : object(archive.images);
  return { conversations, images, leftOut: conversations.flatMap(({ exchanges }) => exchanges).reduce((sum, each) => sum + cutImages(each), 0) };
}

/**
 * @param {unknown} value
 * @param {{ mayRun?: boolean }} [options] whether answers may be running at the server that this page belongs to
 * @returns {Conversation}
 * @throws {ArchiveError}
 */
export function conversationFrom(value, { mayRun = false } = {}) {
  const { id, title, created, changed, asked, choices, isPinned, systemPrompt, temperature, exchanges } = object(value);
  const all = list(exchanges).map((each) => exchangeFrom(each, mayRun));
  ensure(all.length > 0);
  const parents = new Map(all.map((exchange) => [exchange.id, exchange.parent]));
  ensure(all.every((exchange) => reachesRoot(exchange.id, parents)));
  const record = {
    id: identifier(id),
    title: [...string(title)].slice(0, MAX_TITLE_CHARS).join(""),
    created: time(created),
    changed: time(changed),
    ...(asked !== undefined && { asked: time(asked) }),
    choices: choicesFrom(choices),
    ...(isPinned === true && { isPinned }),
    ...(systemPrompt !== undefined && { systemPrompt: string(systemPrompt) }),
    ...(temperature !== undefined && { temperature: temperatureFrom(temperature) }),
  };
  return new Conversation(record, all);
}

/**
 * @param {unknown} value
 * @param {boolean} mayRun
 * @returns {Exchange}
 */
function exchangeFrom(value, mayRun) {
  const { id, parent, question, answer, reasoning, state, created, changed } = object(value);
  const { thoughtMs, untimed, finishReason, failure, figures, leftOut, isWithoutImages, stopReason, run, parts, images } = object(value);
  ensure(ANSWER_STATES.includes(state));
  /** @type {Exchange} */
  const exchange = {
    id: identifier(id),
    parent: parent === null ? null : identifier(parent),
    question: string(question),
    answer: string(answer),
    reasoning: string(reasoning),
    state,
    created: time(created),
    changed: time(changed),
  };
  if (images !== undefined) exchange.images = list(images).map(imageFrom);
  if (parts !== undefined) exchange.parts = list(parts).map((part) => partFrom(part, exchange.answer.length));
  if (untimed !== undefined) exchange.untimed = list(untimed).map(number);
  if (thoughtMs !== undefined) exchange.thoughtMs = thoughtMs < 0 ? 0 : number(thoughtMs); // of earlier versions, where the clock was set back
  if (finishReason !== undefined) exchange.finishReason = string(finishReason);
  if (leftOut !== undefined) exchange.leftOut = number(leftOut);
  if (isWithoutImages === true) exchange.isWithoutImages = true;
  if (figures !== undefined) exchange.figures = detailsFrom(figures);
  if (stopReason !== undefined) exchange.stopReason = /** @type {Exchange["stopReason"]} */ (string(stopReason));
  if (mayRun && run !== undefined) exchange.run = runFrom(run);
  if (state === "running" && !exchange.run?.id) Object.assign(exchange, { state: "failed", failure: mayRun ? INTERRUPTED : IMPORT_INCOMPLETE });
  else if (failure !== undefined) exchange.failure = failureFrom(failure);
  return exchange;
}

/** Leaves as many images as a message may have. @param {Exchange} exchange @returns {number} of the others */
function cutImages({ images = [] }) {
  return images.splice(MAX_IMAGES).length;
}

/**
 * @param {unknown} value
 * @returns {import("../conversation/exchange.js").KeptRun}
 */
function runFrom(value) {
  const { id, key, last, asked, model, joins } = object(value);
  return {
    id: string(id),
    key: string(key),
    last: number(last),
    asked: time(asked),
    ...(model !== undefined && { model: string(model) }),
    ...(joins === true && { joins }),
  };
}

/** @param {unknown} value @returns {import("../conversation/exchange.js").ImageReference} the image itself is elsewhere in the file, or not at all */
function imageFrom(value) {
  const { id, name, width, height } = object(value);
  return { id: identifier(id), name: string(name), width: number(width), height: number(height) };
}

/**
 * @param {unknown} value
 * @param {number} length of the answer
 * @returns {import("../conversation/answer_parts.js").AnswerPart}
 */
function partFrom(value, length) {
  const { kind, at, id, name, arguments: json, needsConsent, decision, isOver, result, title, url, text, share, data } = object(value);
  const { from, afterMs } = object(value);
  switch (kind) {
    case "call": {
      ensure(decision === undefined || DECISIONS.includes(decision));
      return {
        kind,
        at: Math.min(number(at), length),
        id: string(id),
        name: string(name),
        arguments: string(json),
        ...(needsConsent === true && { needsConsent }),
        ...(decision !== undefined && { decision }),
        ...(isOver === true && { isOver }),
        ...(result !== undefined && { result: resultFrom(result) }),
      };
    }
    case "thought":
      return { kind, at: Math.min(number(at), length), from: number(from), afterMs: number(afterMs) };
    case "source":
      ensure(url === "" || (/^https?:/i.test(string(url)) && URL.canParse(url)));
      return { kind, title: string(title), url, text: string(text) };
    case "progress":
      return { kind, text: string(text), ...(share !== undefined && { share: Math.min(1, number(share)) }) };
    default:
      ensure(kind === "custom");
      return { kind, name: string(name), data: string(data) };
  }
}

/** @param {unknown} value */
function resultFrom(value) {
  const { text, isError, seconds, code } = object(value);
  return { text: string(text), isError: isError === true, seconds: number(seconds), ...(code !== undefined && { code: string(code) }) };
}

/** @param {unknown} value */
function failureFrom(value) {
  const { code, retryable } = object(value);
  ensure(typeof retryable === "boolean");
  return { code: string(code), retryable }; // request id and retry time are no longer valid
}

/**
 * @param {unknown} value
 * @returns {import("../api/answer_details.js").AnswerDetails}
 */
function detailsFrom(value) {
  const { firstMs, totalMs, usage, model, currency } = object(value);
  /** @type {import("../api/answer_details.js").AnswerDetails} */
  const details = {};
  if (totalMs !== undefined) details.totalMs = number(totalMs);
  if (firstMs !== undefined) details.firstMs = number(firstMs);
  if (model !== undefined) details.model = string(model);
  if (usage !== undefined) {
    const { prompt, completion, estimated, cost } = object(usage);
    details.usage = { prompt: number(prompt), completion: number(completion), estimated: estimated === true };
    if (cost !== undefined) details.usage.cost = number(cost);
  }
  if (currency !== undefined) details.currency = currencyFrom(currency);
  return details;
}

/** @param {unknown} value */
function choicesFrom(value) {
  const entries = Object.entries(object(value));
  return Object.fromEntries(entries.map(([from, to]) => [from === "" ? from : identifier(from), identifier(to)]));
}

/**
 * @param {string} id
 * @param {Map<string, string | null>} parents
 */
function reachesRoot(id, parents) {
  /** @type {string | null | undefined} */
  let current = id;
  for (let steps = 0; typeof current === "string" && steps <= parents.size; steps++) current = parents.get(current);
  return current === null;
}

/** @param {Blob} file @returns {Promise<any>} null if it is no JSON */
async function valueOf(file) {
  try {
    if (await isZip(file)) return await zippedConversations(file, MAX_BYTES);
    if (file.size > MAX_BYTES) throw new ArchiveError("archiveTooLarge");
    return parsed(await file.text());
  } catch (error) {
    throw error instanceof ArchiveError ? error : new ArchiveError("archiveUnreadable"); // changed or removed since the reader chose it
  }
}

/** @param {string} text @returns {any} null if it is no JSON */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, any>}
 */
function object(value) {
  ensure(typeof value === "object" && value !== null && !Array.isArray(value));
  return /** @type {Record<string, any>} */ (value);
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
function list(value) {
  ensure(Array.isArray(value));
  return /** @type {unknown[]} */ (value);
}

/** @param {unknown} value */
function string(value) {
  ensure(typeof value === "string");
  return /** @type {string} */ (value);
}

/** @param {unknown} value */
function identifier(value) {
  ensure(isIdentifier(value));
  return /** @type {string} */ (value);
}

/** @param {unknown} value */
function number(value) {
  ensure(typeof value === "number" && Number.isFinite(value) && value >= 0);
  return /** @type {number} */ (value);
}

/** @param {unknown} value */
function currencyFrom(value) {
  ensure(isCurrency(value));
  return /** @type {string} */ (value);
}

/** @param {unknown} value */
function temperatureFrom(value) {
  ensure(number(value) <= MAX_TEMPERATURE);
  return number(value);
}

/** @param {unknown} value */
function time(value) {
  return Math.min(number(value), Date.now()); // a time in the future would win over later edits
}

/** @param {boolean} holds */
function ensure(holds) {
  if (!holds) throw new ArchiveError("archiveDamaged");
}
