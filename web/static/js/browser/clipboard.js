/** The clipboard, also for a page that came over plain http, to which browsers give no other way than the old one. */

/**
 * To be called while a press of the reader is being handled.
 * @param {string} text
 * @throws {Error} where the browser refuses
 */
export async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const controller = new AbortController();
  /** @param {ClipboardEvent} event */
  const fill = (event) => {
    event.preventDefault(); // what is selected is not meant
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("copy", fill, { signal: controller.signal });
  const done = document.execCommand("copy");
  controller.abort();
  if (!done) throw new Error("The browser does not let this page copy.");
}
