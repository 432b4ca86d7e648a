/** Reports errors of rendering on the console: each kind once, because a growing answer would repeat it each frame. */

/** @type {Set<string>} */
const reported = new Set();

/**
 * @param {string} activity what failed, such as "parsing"
 * @param {unknown} error
 */
export function reportOnce(activity, error) {
  if (reported.has(activity)) return;
  reported.add(activity);
  console.error(`${activity} Markdown failed; the page shows its source instead:`, error);
}
