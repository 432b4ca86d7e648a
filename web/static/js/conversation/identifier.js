/** Names for conversations and exchanges, unlike any other's, made in any tab without asking another. */

const BYTES = 12; // 96 random bits: no two tabs or imported files ever meet
const PATTERN = /^[0-9a-f]{24}$/;

/** @returns {string} */
export function newIdentifier() {
  // not crypto.randomUUID: a page that is served over plain http has none
  return Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {unknown} value */
export function isIdentifier(value) {
  return typeof value === "string" && PATTERN.test(value);
}
