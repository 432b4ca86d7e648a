/** Unique ids for conversations and exchanges. */

const BYTES = 12; // 96 random bits: unique across tabs and imported files
const PATTERN = /^[0-9a-f]{24}$/;

/** @returns {string} */
export function newIdentifier() {
  // crypto.randomUUID does not exist on pages served over plain http
  return Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {unknown} value */
export function isIdentifier(value) {
  return typeof value === "string" && PATTERN.test(value);
}
