/** Values in the export files of other applications, of any type: each is read as the type that the page needs. */

/** @param {unknown} value seconds or milliseconds since 1970 */
export function milliseconds(value) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return 0;
  return Math.min(Math.round(value < 1e11 ? value * 1000 : value), Date.now());
}

/** @param {unknown} value */
export function text(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value @returns {unknown[]} */
export function list(value) {
  return Array.isArray(value) ? value : [];
}

/** @param {unknown} value */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
