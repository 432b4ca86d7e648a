/** The elements that the page's template has. */

import { root } from "./page_root.js";

/**
 * @template {HTMLElement} T
 * @param {string} id without `sluice-`, which keeps the ids apart from those of a surrounding page
 * @param {new () => T} type
 * @returns {T}
 */
export function requireElement(id, type) {
  const element = root.querySelector(`#sluice-${id}`);
  if (!(element instanceof type)) throw new Error(`The page has no ${type.name} #sluice-${id}.`);
  return element;
}
