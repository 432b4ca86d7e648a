/** A conversation's title, from its first message. */

const MAX_CHARS = 60; // two lines of the sidebar's list

const MAX_LINE_CHARS = 500; // of a line: bounds the work for long pasted lines
const CODE = "\ue000"; // replaces code while the Markdown around it is removed

/**
 * @param {string} message
 * @returns {string} its first line with letters or digits, without Markdown, shortened at a word boundary
 */
export function titleFrom(message) {
  let title = "";
  for (const line of message.split("\n")) {
    const text = stripMarkdown(line.slice(0, MAX_LINE_CHARS));
    if (/[\p{L}\p{N}]/u.test(text)) return truncate(text);
    title ||= text; // the fallback: a line of punctuation
  }
  return truncate(title);
}

/** @param {string} line */
function truncate(line) {
  const characters = [...line];
  if (characters.length <= MAX_CHARS) return line;
  const beginning = line.slice(0, characterStart(line, characters.slice(0, MAX_CHARS).join("").length));
  const space = beginning.lastIndexOf(" ");
  // splits a word only if it is very long, or if the script has no spaces
  return `${(space > MAX_CHARS / 2 ? beginning.slice(0, space) : beginning).trimEnd()}…`;
}

/**
 * @param {string} text
 * @param {number} index
 * @returns {number} where the character at the index begins: an emoji may be joined of several
 */
export function characterStart(text, index) {
  return new Intl.Segmenter().segment(text).containing(index)?.index ?? index;
}

/** Removes Markdown outside code; a fence becomes an empty text. @param {string} line */
export function stripMarkdown(line) {
  if (/^\s*(?:`{3,}[^`]*|~{3,}.*)$/.test(line)) return "";
  /** @type {string[]} */
  const codes = [];
  const hideCode = (/** @type {string} */ _, /** @type {string} */ __, /** @type {string} */ code) => {
    codes.push(code);
    return CODE;
  };
  return line
    .replace(/^(?:\s|>|(?:#{1,6}|[-+*])(?=\s|$))+/, "")
    .replace(/(`+)(?!`)(.*?[^`])\1(?!`)/g, hideCode)
    .replace(/!?\[([^\]]*)\]\([^()\s]*\)/g, "$1")
    .replace(/(?<![\w*])(\*{1,3})(?=[^\s*])([^*]*[^\s*])\1(?![\w*])/g, "$2") // other asterisks are powers and products
    .replace(/~~(?=[^\s~])([^~]*[^\s~])~~/g, "$1")
    .replaceAll(CODE, () => codes.shift() ?? "")
    .replace(/\s+/g, " ")
    .trim();
}
