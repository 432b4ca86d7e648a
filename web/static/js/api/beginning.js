/** The beginning of a long text. */

/**
 * @param {string} text
 * @param {number} most UTF-16 code units
 * @returns {string} without half of a character at its end, which no server could read
 */
export function beginningOf(text, most) {
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, "")}…`;
}
