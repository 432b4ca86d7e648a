/** Turns dropped and pasted files into text: the content of text files, fenced, under their names. */

import { texts } from "../i18n/language.js";

export { listOf } from "./refused_files.js";

/** @typedef {import("./refused_files.js").RefusalCause} RefusalCause */
/** @typedef {import("./refused_files.js").RefusedFile} RefusedFile */

const MAX_BYTES_PER_CHAR = 4;
const HEAD_BYTES = 4096; // of a file that is too long: enough to tell whether it is text

/**
 * @typedef {object} ReadFiles
 * @property {string} text of all text files; empty if there are none
 * @property {string[]} names of these
 * @property {RefusedFile[]} refused those that are not in the text
 */

/**
 * @param {File[]} files
 * @param {number} maxChars of a message
 * @param {boolean} takesImages whether images may be sent beside the text
 * @returns {Promise<ReadFiles>}
 */
export async function readFiles(files, maxChars, takesImages) {
  /** @type {ReadFiles} */
  const result = { text: "", names: [], refused: [] };
  const parts = [];
  for (const file of files) {
    const isLong = file.size > maxChars * MAX_BYTES_PER_CHAR; // not read: it might fill the memory
    const { text, cause } = isMedia(file) ? refusal("fileNotText") : decode(await bytesOf(isLong ? file.slice(0, HEAD_BYTES) : file));
    const known = isLong && (!cause || cause === "fileNotUtf8") ? "fileTooLarge" : cause;
    if (known) result.refused.push({ name: file.name, cause: known === "fileNotText" && takesImages ? "fileNotTextOrImage" : known });
    else {
      parts.push(fenced(file.name, text));
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

/** @param {Blob} file @returns {Promise<Uint8Array | null>} null if it is a folder, or was removed */
async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    return null;
  }
}

/** @typedef {{ text: string, cause: RefusalCause | null }} Decoded */

/** @param {RefusalCause} cause @returns {Decoded} */
function refusal(cause) {
  return { text: "", cause };
}

/** @param {Uint8Array | null} bytes @returns {Decoded} */
function decode(bytes) {
  if (!bytes) return refusal("fileUnreadable");
  const [first, second] = bytes;
  const isWide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const text = isWide ? tryDecode(first === 0xff ? "utf-16le" : "utf-16be", bytes) : tryDecode("utf-8", bytes);
  if (text !== null) return DOCUMENT.test(text) || (!isWide && bytes.includes(0)) ? refusal("fileNotText") : { text, cause: null };
  if (bytes.some(isControl) || DOCUMENT.test(String.fromCharCode(...bytes.subarray(0, 8)))) return refusal("fileNotText");
  // older Chinese programs write GB 18030. Elsewhere, too many encodings have the same bytes: a guess would show wrong letters
  const chinese = texts.tag === "zh-CN" && isMostlyCommonChinese(bytes) ? tryDecode("gb18030", bytes) : null;
  return chinese === null ? refusal("fileNotUtf8") : { text: chinese, cause: null };
}

/** @param {number} byte @returns {boolean} whether no text has it, in an encoding with single bytes for ASCII */
function isControl(byte) {
  return byte === 0x7f || (byte < 0x20 && !(byte >= 0x07 && byte <= 0x0d) && byte !== 0x1a && byte !== 0x1b);
}

/**
 * Tells GB 18030 from encodings of one byte a letter. In these, a letter that is not ASCII often stands before one that is.
 * @param {Uint8Array} bytes
 * @returns {boolean} whether most characters that are not ASCII are among the common ones: GB 2312, where both bytes are high
 */
function isMostlyCommonChinese(bytes) {
  let all = 0;
  let common = 0;
  for (let at = 0; at < bytes.length; at++) {
    const lead = bytes[at] ?? 0;
    const trail = bytes[at + 1] ?? 0;
    if (lead < 0x80) continue;
    all += 1;
    if (lead >= 0xa1 && lead <= 0xf7 && trail >= 0xa1) common += 1;
    at += trail >= 0x30 && trail <= 0x39 ? 3 : 1; // four bytes, or two
  }
  return common * 2 > all;
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
