/**
 * Which answers are being written in some tab. A tab holds a lock while it writes one, and the browser gives the
 * lock back when that tab is gone, however it went. Over plain http there are no locks: every answer then seems to
 * be left, until its tab next says what has come.
 */

/**
 * @param {string} exchange
 * @returns {() => void} gives the lock back
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
 * @returns {Promise<void>} fulfilled as soon as no tab writes this answer
 */
export async function waitUntilUnlocked(exchange) {
  await navigator.locks?.request(lockName(exchange), () => undefined);
}

/** @param {string} exchange */
function lockName(exchange) {
  return `sluice.answer.${exchange}`;
}
