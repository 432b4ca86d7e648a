/** Writes to the clipboard. Pages served over plain http have only the deprecated `execCommand`. */

/**
 * Call only while a user action is being handled.
 * @param {string} text
 * @throws {Error} if the browser refuses
 */
export async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const controller = new AbortController();
  /** @param {ClipboardEvent} event */
  const fill = (event) => {
    event.preventDefault(); // do not copy the selection
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("copy", fill, { signal: controller.signal });
  const done = document.execCommand("copy");
  controller.abort();
  if (!done) throw new Error("The browser does not let this page copy.");
}
