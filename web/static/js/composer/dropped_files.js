/** Turns dropped and pasted files into text: the content of text files, fenced, under their names. */

import "../i18n/image_texts.js";
import { texts } from "../i18n/language.js";

const MAX_BYTES_PER_CHAR = 4;

/** @typedef {"fileNotText" | "fileNotTextOrImage" | "fileTooLarge"} FileProblem the second where images may be sent */

/**
 * @typedef {object} ReadFiles
 * @property {string} text of all text files; empty if there are none
 * @property {string[]} names of these
 * @property {"fileNotText" | "fileTooLarge" | null} problem of the files that are not in the text
 */

/**
 * @param {File[]} files
 * @param {number} maxChars of a message
 * @returns {Promise<ReadFiles>}
 */
export async function readFiles(files, maxChars) {
  /** @type {ReadFiles} */
  const result = { text: "", names: [], problem: null };
  const parts = [];
  for (const file of files) {
    if (file.size > maxChars * MAX_BYTES_PER_CHAR) {
      result.problem = isMedia(file) ? "fileNotText" : "fileTooLarge"; // not read: it might fill the memory
      continue;
    }
    const content = isMedia(file) ? null : decode(await bytesOf(file));
    if (content === null || DOCUMENT.test(content)) result.problem = "fileNotText";
    else {
      parts.push(fenced(file.name, content));
      result.names.push(file.name);
    }
  }
  result.text = parts.join("\n\n");
  return result;
}

/** Documents that may consist of letters only, and that nobody reads as such: PDF, PostScript and RTF. */
const DOCUMENT = /^(?:%PDF-|%!PS|\{\\rtf)/;

/** @param {File} file */
function isMedia({ type }) {
  return /^(?:image|audio|video|font)\//.test(type) && type !== "image/svg+xml";
}

/** @param {File} file @returns {Promise<Uint8Array | null>} null if it is a folder, or was removed */
async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    return null;
  }
}

/** @param {Uint8Array | null} bytes @returns {string | null} null if they are no text */
function decode(bytes) {
  if (!bytes) return null;
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return tryDecode("utf-16le", bytes);
  if (first === 0xfe && second === 0xff) return tryDecode("utf-16be", bytes);
  if (bytes.includes(0)) return null;
  // older Chinese programs write GB 18030
  return tryDecode("utf-8", bytes) ?? (texts.tag === "zh-CN" ? tryDecode("gb18030", bytes) : null);
}

/**
 * @param {string} encoding
 * @param {Uint8Array} bytes
 */
function tryDecode(encoding, bytes) {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} content
 */
function fenced(name, content) {
  const longest = Math.max(2, ...(content.match(/`{3,}/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  const language = /\.([\w+#-]{1,12})$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const text = content.replace(/\r\n?/g, "\n").replace(/\n+$/, "");
  return `\`${name.replaceAll("`", "'")}\`\n\n${fence}${language}\n${text}\n${fence}`;
}
