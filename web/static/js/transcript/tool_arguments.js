/** The arguments of a call of a tool, as text. Those with line breaks are shown one by one, with real line breaks. */

import { prettyArguments } from "../api/answer_parts.js";
import { parseObject } from "../api/failure.js";

const MOST = 100; // shown one by one
const MAX_DEPTH = 5;
const PLAIN_NAME = /^[\p{L}\p{N}_.[\]-]+$/u;
// What is not seen, such as marks of direction, except for line ends, tabs, and what joins letters and emoji.
const UNSEEN = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * @param {string} json
 * @returns {HTMLElement} hostile text in it stays in the box of its value, apart from all names
 */
export function argumentsView(json) {
  const found = namedValues(json);
  if (!found) return box(prettyArguments(json), "ltr");
  const list = document.createElement("div");
  list.className = "tool-arguments";
  for (const [name, value] of found) {
    const label = document.createElement("p");
    label.className = "argument-name";
    label.textContent = PLAIN_NAME.test(name) ? name : escaped(JSON.stringify(name));
    if (isLong(value)) list.append(label, box(readable(value), "auto"));
    else list.append(label, isPlain(value) ? box(value, "auto") : box(escaped(JSON.stringify(value, null, 2)), "ltr"));
  }
  return list;
}

/** @param {string} json @returns {[string, unknown][] | null} null if they are shown as JSON */
function namedValues(json) {
  const value = parseObject(json);
  /** @type {[string, unknown][]} */
  const found = [];
  if (value) collect(value, "", found, 0);
  return found.length <= MOST && found.some(([, each]) => isLong(each)) ? found : null;
}

/**
 * @param {object} value an object or an array
 * @param {string} path its name
 * @param {[string, unknown][]} found
 * @param {number} depth
 */
function collect(value, path, found, depth) {
  for (const [key, each] of Object.entries(value)) {
    if (found.length > MOST) return;
    const name = Array.isArray(value) ? `${path}[${key}]` : path && `${path}.${key}` || key;
    const isNested = typeof each === "object" && each !== null && Object.keys(each).length > 0 && depth < MAX_DEPTH;
    if (isNested) collect(each, name, found, depth + 1);
    else found.push([name, each]);
  }
}

/** @param {unknown} value @returns {value is string} */
function isLong(value) {
  return typeof value === "string" && value.includes("\n");
}

/** @param {unknown} value @returns {value is string} whether it needs no quotation marks to be taken for nothing else */
function isPlain(value) {
  return typeof value === "string" && value !== "" && value === value.trim() && escaped(JSON.stringify(value)) === `"${value}"` && !isJson(value);
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} text @returns {string} its empty lines cannot push the rest out of sight */
function readable(text) {
  return escaped(text.replace(/\r\n/g, "\n")).replace(/\n(?:[^\S\n]*\n){3,}/g, (lines) => `\n${lines.slice(1, -1).replace(/\n/g, "\\n")}\n`);
}

/** @param {string} text */
function escaped(text) {
  return text.replace(UNSEEN, escape);
}

/** @param {string} mark */
function escape(mark) {
  return `\\u${(mark.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

/**
 * @param {string} content
 * @param {"ltr" | "auto"} direction
 */
function box(content, direction) {
  const text = document.createElement("pre");
  text.textContent = content;
  text.dir = direction;
  return text;
}
