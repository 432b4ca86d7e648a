/** A conversation's title, from its first message. */

const MOST = 60; // characters: two lines of the list at its width

/**
 * @param {string} message
 * @returns {string} its first line that says something, cut at a word where it is long
 */
export function titleFrom(message) {
  const line = message.split(/\n/).map(plain).find((each) => each !== "") ?? "";
  const characters = [...line];
  if (characters.length <= MOST) return line;
  const cut = characters.slice(0, MOST).join("");
  const space = cut.lastIndexOf(" ");
  // a word is cut only where it is very long, or where the script has no spaces between words
  return `${(space > MOST / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/** @param {string} line without the marks that Markdown puts before a heading, a quotation or a list */
function plain(line) {
  return line.replace(/^[\s#>*-]+/, "").replace(/\s+/g, " ").trim();
}
