/** Lets the system's Back, such as Android's, close the open drawer instead of going to the previous conversation. */

import { root } from "../browser/page_root.js";

/** @typedef {{ onclose: () => void, destroy: () => void }} CloseWatcher not in all browsers, nor in TypeScript's types */

/** Call once. @param {() => void} closeDrawer */
export function watchBack(closeDrawer) {
  const { CloseWatcher } = /** @type {{ CloseWatcher?: new () => CloseWatcher }} */ (/** @type {unknown} */ (window));
  if (!CloseWatcher) return;
  /** @type {CloseWatcher | null} */
  let watcher = null;
  new MutationObserver(() => {
    if (root.classList.contains("drawer-open")) {
      watcher ??= Object.assign(new CloseWatcher(), { onclose: closeDrawer });
    } else {
      watcher?.destroy();
      watcher = null;
    }
  }).observe(root, { attributeFilter: ["class"] });
}
