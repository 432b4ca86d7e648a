/**
 * Reads the export files of ChatGPT and Open WebUI. Both are trees of messages.
 *
 * ChatGPT: `conversations.json` of its data export, a list of conversations with a `mapping` of nodes; described by
 * the format page of https://github.com/mitkury/chatgpt-export-parser.
 * Open WebUI: its "Export chats", a list of chats with `chat.history.messages` and `currentId`; see `history` in
 * https://github.com/open-webui/open-webui (`createMessagesList`).
 */

import { readUsage } from "../api/answer_details.js";
import { withEvents } from "../conversation/answer_parts.js";
import { Conversation } from "../conversation/conversation.js";
import { IMPORT_INCOMPLETE } from "../conversation/exchange.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";
import { titleFrom } from "../conversation/title.js";
import { unmarked } from "./foreign_marks.js";
import { chatGptSources, openWebUiSources } from "./foreign_sources.js";
import { isObject, list, milliseconds, text } from "./foreign_values.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string | null} parent
 * @property {"user" | "assistant" | ""} role empty for what neither side said
 * @property {string} text
 * @property {string} reasoning
 * @property {string} model empty if unknown
 * @property {import("../api/answer_parts.js").SourceEvent[]} sources
 * @property {import("../api/answer_details.js").Usage} [usage] of tokens
 * @property {number} leftOut how many of its parts are shown by their names only, or not at all
 * @property {number} time milliseconds since 1970; 0 if unknown
 * @property {"whole" | "stopped" | "failed" | "cut"} ending
 *
 * @typedef {object} Tree
 * @property {string} id
 * @property {string} title
 * @property {number} created
 * @property {number} changed
 * @property {string} current the id of the last message that was shown
 * @property {Message[]} messages
 * @property {boolean} isPinned
 * @property {import("../conversation/tuning.js").Tuning} tuning
 *
 * @typedef {object} Foreign
 * @property {Conversation[]} conversations
 * @property {number} leftOut how many messages to and from tools, images, files and sources the conversations lack
 */

const MAX_TITLE_CHARS = 200;

/**
 * @param {unknown} archive parsed JSON
 * @returns {Foreign | null} null if it is of neither application
 */
export function readForeign(archive) {
  const entries = Array.isArray(archive) ? archive : [archive];
  const trees = entries.map((each) => (isObject(each?.mapping) ? chatGptTree(each) : openWebUiTree(each)));
  if (trees.length === 0 || trees.some((tree) => tree === null)) return null;
  const conversations = trees.flatMap((tree) => (tree && conversationFrom(tree)) ?? []);
  const leftOut = trees.flatMap((tree) => tree?.messages ?? []).reduce((sum, message) => sum + message.leftOut, 0);
  return { conversations, leftOut };
}

/** @param {any} value @returns {Tree} */
function chatGptTree(value) {
  /** @type {Message[]} */
  const messages = Object.entries(value.mapping).map(([id, /** @type {any} */ node]) => {
    const message = node?.message;
    const content = message?.content ?? {};
    const role = message?.author?.role;
    const isHidden = message?.metadata?.is_visually_hidden_from_conversation === true;
    // what it says to its tools, and what these answer, is no part of the conversation
    const isOfSide = role === "user" || role === "assistant";
    const isSpoken = !isHidden && (message?.recipient ?? "all") === "all" && ["text", "multimodal_text"].includes(content.content_type);
    const files = isSpoken && role !== "system" ? [...list(content.parts).flatMap(fileOf), ...list(message.metadata?.attachments).flatMap(nameOf)] : [];
    const isMade = !isOfSide && files.length > 0; // a tool has made it for the answer
    const spoken = unmarked(isSpoken && isOfSide ? wordsOf(content.parts) : "", message?.metadata?.content_references);
    const { sources, leftOut } = chatGptSources(spoken.text && role === "assistant" ? message.metadata : null);
    const isThought = ["thoughts", "reasoning_recap"].includes(content.content_type);
    const isOfTool = !(isSpoken && isOfSide) && !isMade && !isHidden && !isThought && role !== "system" && hasContent(content);
    return {
      id,
      parent: text(node?.parent) || null,
      role: role === "user" && isSpoken ? "user" : role === "assistant" || isMade ? "assistant" : "",
      text: withFiles(spoken.text, files),
      reasoning: content.content_type === "thoughts" ? thoughtsOf(content.thoughts) : "",
      model: text(message?.metadata?.model_slug),
      sources,
      leftOut: files.length + leftOut + spoken.leftOut + (isOfTool ? 1 : 0),
      time: milliseconds(message?.create_time),
      ending: chatGptEnding(message),
    };
  });
  return {
    id: text(value.conversation_id) || text(value.id),
    title: text(value.title),
    created: milliseconds(value.create_time),
    changed: milliseconds(value.update_time),
    current: text(value.current_node),
    messages,
    isPinned: false,
    tuning: {},
  };
}

/** @param {any} message @returns {Message["ending"]} */
function chatGptEnding(message) {
  if (message?.metadata?.finish_details?.type === "interrupted") return "stopped";
  return ["in_progress", "finished_partial_completion"].includes(message?.status) ? "cut" : "whole";
}

/** @param {any} content of a message @returns {boolean} whether there is anything to lose */
function hasContent({ parts, text: code, result }) {
  return Boolean(code || result || list(parts).some(Boolean));
}

/** @param {any} part of a message @returns {string[]} its kind, if it is no text */
function fileOf(part) {
  if (!isObject(part) || text(part.text)) return [];
  const kind = text(part.content_type);
  return [/audio/.test(kind) ? "audio" : /image/.test(kind) ? "image" : kind || "file"];
}

/** @param {any} file @returns {string[]} */
function nameOf(file) {
  // an image is a part of its own
  return /^image\//.test(text(file?.mime_type ?? file?.mimeType)) ? [] : [text(file?.name) || "file"];
}

/**
 * Names what cannot be imported where it was.
 * @param {string} words
 * @param {string[]} files
 */
function withFiles(words, files) {
  return [...files.map((name) => `[${name}]`), words].filter(Boolean).join("\n");
}

/** @param {unknown} parts @returns {string} with ChatGPT's marks */
function wordsOf(parts) {
  const texts = list(parts).map((/** @type {any} */ part) => (typeof part === "string" ? part : text(part?.text)));
  return texts.filter(Boolean).join("\n\n");
}

/** @param {unknown} thoughts */
function thoughtsOf(thoughts) {
  return list(thoughts).map((/** @type {any} */ each) => text(each?.content) || text(each?.summary)).filter(Boolean).join("\n\n");
}

/** @param {any} value @returns {Tree | null} */
function openWebUiTree(value) {
  const chat = value?.chat ?? value;
  const history = chat?.history;
  if (!isObject(history?.messages)) return null;
  /** @type {Message[]} */
  const messages = Object.entries(history.messages).map(([id, /** @type {any} */ message]) => {
    const role = message?.role === "user" || message?.role === "assistant" ? message.role : "";
    const { answer, reasoning, leftOut: calls } = withoutDetails(text(message?.content));
    const { sources, leftOut } = openWebUiSources(role === "assistant" ? message : null);
    const files = list(message?.files).map((/** @type {any} */ file) => text(file?.name) || text(file?.file?.filename) || text(file?.type) || "file");
    return {
      id,
      parent: text(message?.parentId) || null,
      role,
      text: withFiles(role === "user" ? text(message?.content) : role ? answer : "", role ? files : []),
      reasoning: role === "assistant" ? reasoning : "",
      model: role === "assistant" ? text(message?.modelName) || text(message?.model) : "",
      sources,
      leftOut: files.length + leftOut + (role === "assistant" ? calls : 0),
      time: milliseconds(message?.timestamp),
      usage: usageOf(message?.usage),
      ending: message?.error ? "failed" : message?.done === false ? "cut" : "whole",
    };
  });
  return {
    id: text(value.id) || text(chat.id),
    title: text(value.title) || text(chat.title),
    created: milliseconds(value.created_at ?? chat.timestamp),
    changed: milliseconds(value.updated_at),
    current: text(history.currentId),
    messages,
    isPinned: value.pinned === true,
    tuning: tuningOf(chat.params),
  };
}

/** @param {unknown} value @returns {import("../api/answer_details.js").Usage | undefined} without its cost, whose currency is unknown */
function usageOf(value) {
  const { prompt = -1, completion = -1 } = readUsage(value) ?? {};
  const areCounts = [prompt, completion].every((count) => Number.isSafeInteger(count) && count >= 0);
  return areCounts ? { prompt, completion, estimated: false } : undefined;
}

/** @param {any} params of a chat @returns {import("../conversation/tuning.js").Tuning} */
function tuningOf(params) {
  const { system, temperature } = params ?? {};
  return {
    ...(text(system).trim() && { systemPrompt: text(system) }),
    ...(typeof temperature === "number" && temperature >= 0 && temperature <= MAX_TEMPERATURE && { temperature }),
  };
}

/** Separates reasoning and tool calls, which Open WebUI keeps in `details` elements. @param {string} content */
function withoutDetails(content) {
  /** @type {string[]} */
  const thoughts = [];
  let leftOut = 0;
  const answer = content.replace(/<details type="([\w-]+)"[^>]*>\s*(?:<summary>[^<]*<\/summary>)?([^]*?)<\/details>\s*/g, (_, type, inner) => {
    if (type === "reasoning") thoughts.push(unescape(inner).replace(/^> ?/gm, "").trim());
    else leftOut++;
    return "\n\n"; // what is before it and behind it are paragraphs of their own
  });
  return { answer: answer === content ? content : answer.trim(), reasoning: thoughts.filter(Boolean).join("\n\n"), leftOut };
}

/** @param {string} html */
function unescape(html) {
  return new DOMParser().parseFromString(html.replaceAll("<", "&lt;"), "text/html").documentElement.textContent ?? "";
}

/**
 * @param {Tree} tree
 * @returns {Conversation | null} null if nobody has asked anything
 */
function conversationFrom({ id: given, title, created, changed, current, messages, isPinned, tuning }) {
  const id = given || (messages.find(({ role }) => role === "user")?.id ?? ""); // two without one are not the same
  const byId = new Map(messages.map((message) => [message.id, message]));
  /** @type {Map<string | null, Message[]>} */
  const children = new Map();
  for (const message of messages) {
    const parent = message.parent !== null && byId.has(message.parent) ? message.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), message]);
  }
  const start = created || Math.min(...messages.map(({ time }) => time || Infinity), Date.now());
  /** @type {Exchange[]} */
  const exchanges = [];
  /** The exchange that each message is a part of. @type {Map<string, Exchange>} */
  const owners = new Map();
  // without recursion: a conversation may have thousands of messages in a row
  const work = (children.get(null) ?? []).map((message) => ({ message, exchange: /** @type {Exchange | null} */ (null) })).reverse();
  const seen = new Set();
  for (let next = work.pop(); next; next = work.pop()) {
    const { message } = next;
    if (seen.has(message.id)) continue; // a loop
    seen.add(message.id);
    let { exchange } = next;
    const hasWords = message.text !== "" || message.reasoning !== "";
    const isAnswer = message.role === "assistant" && (hasWords || message.ending === "failed");
    const siblings = message.parent === null ? [] : (children.get(message.parent) ?? []);
    if (message.role === "user" || (isAnswer && !exchange)) {
      exchange = newExchange(`${id}/${message.id}`, exchange, message, start + exchanges.length);
      exchanges.push(exchange);
    } else if (isAnswer && exchange && siblings.indexOf(message) > 0) {
      // another answer to the same question
      const branch = { ...newExchange(`${id}/${message.id}`, null, message, start + exchanges.length), parent: exchange.parent, question: exchange.question };
      exchanges.push(branch);
      exchange = branch;
    }
    if (isAnswer && exchange) {
      exchange.answer = [exchange.answer, message.text].filter(Boolean).join("\n\n");
      exchange.reasoning = [exchange.reasoning, message.reasoning].filter(Boolean).join("\n\n");
      const usage = message.ending === "whole" ? message.usage : undefined;
      // the first ones as they are, also two of one name: the answer may number them
      if (exchange.parts) exchange.parts = withEvents(exchange.parts, message.sources, exchange.answer.length);
      else if (message.sources.length > 0) exchange.parts = message.sources;
      // of several messages of one answer, the last
      if (message.model || usage) exchange.figures = { ...(message.model && { model: message.model }), ...(usage && { usage }) };
      if (hasWords) exchange.changed = Math.max(exchange.changed, Math.min(message.time, Date.now())); // a later file may have more of it
      delete exchange.failure;
      Object.assign(exchange, outcomeOf(message.ending, exchange.answer));
    }
    if (exchange) owners.set(message.id, exchange);
    for (const child of [...(children.get(message.id) ?? [])].reverse()) work.push({ message: child, exchange });
  }
  if (exchanges.length === 0) return null;
  /** @type {Record<string, string>} */
  const choices = {};
  const parents = new Map(exchanges.map((exchange) => [exchange.id, exchange]));
  for (let chosen = owners.get(current); chosen; chosen = parents.get(chosen.parent ?? "")) choices[chosen.parent ?? ""] = chosen.id;
  const shown = [...(title || titleFrom(exchanges[0]?.question ?? ""))].slice(0, MAX_TITLE_CHARS).join("");
  const last = Math.max(...exchanges.map((exchange) => exchange.changed));
  return new Conversation({ id: identifierOf(id), title: shown, created: start, changed: Math.min(changed || last, Date.now()), choices, ...(isPinned && { isPinned }), ...tuning }, exchanges);
}

/**
 * @param {Message["ending"]} ending of its last message
 * @param {string} answer
 * @returns {Pick<Exchange, "state" | "failure">}
 */
function outcomeOf(ending, answer) {
  if (ending === "stopped") return { state: "stopped" }; // by the reader, there
  if (ending === "whole" && answer !== "") return { state: "complete" };
  return { state: "failed", failure: ending === "failed" ? { code: "import_failed", retryable: true } : IMPORT_INCOMPLETE };
}

/**
 * @param {string} source what its id is made of
 * @param {Exchange | null} parent
 * @param {Message} message
 * @param {number} order a time, if the message has none
 * @returns {Exchange}
 */
function newExchange(source, parent, { role, text: question, time }, order) {
  const at = Math.min(time || order, Date.now());
  return {
    id: identifierOf(source),
    parent: parent?.id ?? null,
    question: role === "user" ? question : "",
    answer: "",
    reasoning: "",
    ...outcomeOf("cut", ""), // until there is an answer
    created: at,
    changed: at,
  };
}

/**
 * @param {string} source
 * @returns {string} always the same for the same source, so that a second import makes no duplicates
 */
function identifierOf(source) {
  // FNV-1a, three times with other beginnings: `crypto.subtle` does not exist on pages served over plain http
  return [0x811c9dc5, 0x01234567, 0x5bd1e995]
    .map((seed) => {
      let hash = seed;
      for (let at = 0; at < source.length; at++) hash = Math.imul(hash ^ source.charCodeAt(at), 0x01000193);
      return (hash >>> 0).toString(16).padStart(8, "0");
    })
    .join("");
}
