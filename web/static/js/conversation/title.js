/** A conversation's title, from its first message. */

const MAX_CHARS = 60; // characters: two lines of the list at its width

const MAX_LINE_CHARS = 500; // characters of a line: its marks are searched in no more, however long it was pasted
const CODE = "\ue000"; // stands for code while the marks around it are taken away

/**
 * @param {string} message
 * @returns {string} its first line that says something, without the marks of Markdown, cut at a word where it is long
 */
export function titleFrom(message) {
  let title = "";
  for (const line of message.split("\n")) {
    const text = stripMarkdown(line.slice(0, MAX_LINE_CHARS));
    if (/[\p{L}\p{N}]/u.test(text)) return truncate(text);
    title ||= text; // nothing but signs, where nothing else comes
  }
  return truncate(title);
}

/** @param {string} line */
function truncate(line) {
  const characters = [...line];
  if (characters.length <= MAX_CHARS) return line;
  const beginning = characters.slice(0, MAX_CHARS).join("");
  const space = beginning.lastIndexOf(" ");
  // a word is cut only where it is very long, or where the script has no spaces between words
  return `${(space > MAX_CHARS / 2 ? beginning.slice(0, space) : beginning).trimEnd()}…`;
}

/** @param {string} line of which a fence says nothing, and code is taken as it is */
function stripMarkdown(line) {
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
    .replace(/(?<![\w*])(\*{1,3})(?=[^\s*])([^*]*[^\s*])\1(?![\w*])/g, "$2") // other stars are powers and products
    .replace(/~~(?=[^\s~])([^~]*[^\s~])~~/g, "$1")
    .replaceAll(CODE, () => codes.shift() ?? "")
    .replace(/\s+/g, " ")
    .trim();
}
