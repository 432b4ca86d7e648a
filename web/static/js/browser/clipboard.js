/** Writes to the clipboard. Pages served over plain http have only the deprecated `execCommand`. */

/**
 * Call only while a user action is being handled.
 * @param {string} text
 * @param {Promise<string>} [html] the same for programs that paste rich text
 * @throws {Error} if the browser refuses
 */
export async function writeClipboard(text, html) {
  if (navigator.clipboard && !html) return navigator.clipboard.writeText(text);
  if (navigator.clipboard && html) {
    // promises, because Safari allows writing only before the first `await`
    const item = { "text/plain": blobOf(text, "text/plain"), "text/html": html.then((markup) => blobOf(markup, "text/html")) };
    return navigator.clipboard.write([new ClipboardItem(item)]);
  }
  const markup = await html;
  const controller = new AbortController();
  /** @param {ClipboardEvent} event */
  const fill = (event) => {
    event.preventDefault(); // do not copy the selection
    event.clipboardData?.setData("text/plain", text);
    if (markup) event.clipboardData?.setData("text/html", markup);
  };
  document.addEventListener("copy", fill, { signal: controller.signal });
  const done = document.execCommand("copy");
  controller.abort();
  if (!done) throw new Error("The browser does not let this page copy.");
}

/**
 * @param {string} text
 * @param {string} type
 */
function blobOf(text, type) {
  return new Blob([text], { type });
}
