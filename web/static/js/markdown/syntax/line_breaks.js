/**
 * Single line ends in a paragraph. They are kept, as in an address or a poem, unless the paragraph was wrapped at a
 * fixed width: then they are spaces, as CommonMark says.
 */

const MIN_WIDTH = 60; // characters; text is seldom wrapped at fewer
const VERSE = 3; // so many lines in a row do not end at a comma by chance
const ENDS_SENTENCE = /[.!?:…。！？：]["'”’)\]*_]*$/;
const ENDS_CLAUSE = /[.!?:;,…。！？：；，、]["'”’)\]*_]*$/;
const BULLET = /^(?:[•·‣–—*-]|\p{Emoji_Presentation}|\(?\d+[.)])/u;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

/**
 * Returns whether the lines of a paragraph are wrapped at a fixed width: no line has room for the next word.
 * @param {string} text
 */
export function isWrapped(text) {
  const lines = text.split("\n");
  const width = Math.max(...lines.map((line) => line.length));
  if (lines.length < 2 || width < MIN_WIDTH || UNSPACED.test(text)) return false;
  const before = lines.slice(0, -1);
  const ends = before.length < VERSE ? ENDS_SENTENCE : ENDS_CLAUSE;
  if (before.every((line) => ends.test(line.trimEnd()))) return false;
  return before.every((line, index) => {
    const next = lines[index + 1] ?? "";
    const word = /^\S*/.exec(next)?.[0].length ?? 0;
    return line.length + 1 + word > width && !BULLET.test(next);
  });
}
