/**
 * Single line ends in a paragraph. They are kept, as in an address or a poem, unless the paragraph was wrapped at a
 * fixed width: then they are spaces, as CommonMark says.
 */

const MIN_WIDTH = 60; // characters; text is seldom wrapped at fewer
const ENDS_SENTENCE = /[.!?:;,…。！？：；，、]["'”’)\]*_]*$/;
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
  if (before.every((line) => ENDS_SENTENCE.test(line.trimEnd()))) return false;
  return before.every((line, index) => {
    const next = lines[index + 1] ?? "";
    const word = /^\S*/.exec(next)?.[0].length ?? 0;
    return line.length + 1 + word > width && !BULLET.test(next);
  });
}
