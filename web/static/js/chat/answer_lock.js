/**
 * Locks that show which answers are being written by some tab. The browser releases a lock when its tab closes or
 * crashes. Plain http has no Web Locks: there an answer of another tab looks interrupted until that tab next saves it.
 */

/**
 * @param {string} exchange
 * @returns {() => void} releases the lock
 */
export function lockAnswer(exchange) {
  /** @type {() => void} */
  let release = () => undefined;
  /** @type {Promise<void>} */
  const unlocked = new Promise((resolve) => (release = resolve));
  void navigator.locks?.request(lockName(exchange), () => unlocked);
  return release;
}

/**
 * @param {string} exchange
 * @returns {Promise<void>} fulfilled when no tab is writing the answer
 */
export async function waitUntilUnlocked(exchange) {
  await navigator.locks?.request(lockName(exchange), () => undefined);
}

/** @param {string} exchange */
function lockName(exchange) {
  return `sluice.answer.${exchange}`;
}
