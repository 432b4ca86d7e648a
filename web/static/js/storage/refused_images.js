/** Images that the browser has refused to store, until there is room for them. They are in memory only. */

/** @type {Map<string, { size: number, store: () => Promise<unknown> }>} */
const waiting = new Map();
/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {() => void} listener called when an image is refused, stored after all, or not needed any more */
export function onRefusedImages(listener) {
  listeners.add(listener);
}

export function hasRefusedImages() {
  return waiting.size > 0;
}

/** @param {string} id @returns {boolean} */
export function isRefused(id) {
  return waiting.has(id);
}

/**
 * @param {{ id: string, data: string }[]} images
 * @param {(image: { id: string, data: string }) => Promise<unknown>} store rejected if the browser refuses again
 */
export function addRefused(images, store) {
  for (const image of images) waiting.set(image.id, { size: image.data.length, store: () => store(image) });
  report();
}

/** @param {string[]} ids of images that are stored, or that nothing has any more */
export function dropRefused(ids) {
  const isKnown = ids.filter((id) => waiting.delete(id)).length > 0;
  if (isKnown) report();
}

/** Stores them, as far as there is room. Call when there may be more of it. */
export async function storeRefused() {
  const smallestFirst = [...waiting].sort(([, one], [, other]) => one.size - other.size);
  try {
    for (const [id, { store }] of smallestFirst) {
      await store();
      dropRefused([id]);
    }
  } catch {
    // still no room; the larger ones need more
  }
}

function report() {
  for (const listener of listeners) listener();
}
