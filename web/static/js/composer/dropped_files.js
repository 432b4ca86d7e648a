/** Turns dropped and pasted files into text: the content of text files, fenced, under their names. */

import { isChinese } from "./chinese_text.js";
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
/** What no text has but a binary file: controls other than those of `isControl`, and numbers of no character. */
const NO_LETTER = /[\0-\x06\x0e-\x19\x1c-\x1f\x7f-\x84\x86-\x9f\p{Unassigned}\p{Private_Use}]/u;
/** Japanese mail: its letters are ASCII after this. */
const SHIFTED = /\x1b\$[@B(]/;
const LEAST_ASCII = 40; // one of so many characters

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
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    const text = tryDecode(first === 0xff ? "utf-16le" : "utf-16be", bytes);
    return text?.includes("\0") !== false ? refusal("fileNotUtf8") : { text, cause: null }; // cut off, or UTF-32
  }
  if (bytes.includes(0)) {
    const text = wideText(bytes);
    return text === null ? refusal("fileNotText") : { text, cause: null };
  }
  const text = tryDecode("utf-8", bytes);
  if (text !== null) return DOCUMENT.test(text) ? refusal("fileNotText") : SHIFTED.test(text) ? refusal("fileNotUtf8") : { text, cause: null };
  if (bytes.some(isControl) || DOCUMENT.test(String.fromCharCode(...bytes.subarray(0, 8)))) return refusal("fileNotText");
  // older Chinese programs write GB 18030. Elsewhere, too many encodings have the same bytes: a guess would show wrong letters
  const chinese = texts.tag === "zh-CN" ? tryDecode("gb18030", bytes) : null;
  return chinese !== null && isChinese(chinese, bytes) ? { text: chinese, cause: null } : refusal("fileNotUtf8");
}

/**
 * Reads UTF-16 without its mark. Read with its bytes in the wrong order, a line end is the number of no character.
 * @param {Uint8Array} bytes
 * @returns {string | null} null if it is something else
 */
function wideText(bytes) {
  const read = ["utf-16le", "utf-16be"].map((encoding) => tryDecode(encoding, bytes) ?? "");
  const ascii = read.map((text) => (NO_LETTER.test(text) || DOCUMENT.test(text) ? 0 : (text.match(/[\t-\r -~]/g)?.length ?? 0)));
  const [little = 0, big = 0] = ascii;
  if (little === big || Math.max(little, big) * LEAST_ASCII * 2 < bytes.length) return null;
  return read[little > big ? 0 : 1] ?? null;
}

/** @param {number} byte @returns {boolean} whether no text has it, in an encoding with single bytes for ASCII */
function isControl(byte) {
  return byte === 0x7f || (byte < 0x20 && !(byte >= 0x07 && byte <= 0x0d) && byte !== 0x1a && byte !== 0x1b);
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
