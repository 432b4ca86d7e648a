/**
 * Takes what is dropped anywhere on the page, and files that are pasted into the message box. Without this, the browser
 * would open a dropped file or link in the place of the page.
 */

import { isOwnPage, root } from "../browser/page_root.js";

/** The type of a value that marks what is dragged as a part of the page. */
const FROM_HERE = "application/x-sluice-part";

/**
 * @typedef {object} IntakeEvents
 * @property {(files: File[]) => void} files
 * @property {(text: string) => void} link
 * @property {() => void} dragged files are being dragged over the page
 * @property {() => void} pastedIntoEdit files were pasted into a question that is edited, which takes none
 */

/**
 * @param {HTMLTextAreaElement} field
 * @param {IntakeEvents} events
 */
export function takeFiles(field, events) {
  // as a part of another page, only what is dropped on the chat: the rest is that page's
  const target = isOwnPage ? window : root;
  // a click on a link or a picture in which the pointer slips drags it
  target.addEventListener("dragstart", (event) => /** @type {DragEvent} */ (event).dataTransfer?.setData(FROM_HERE, ""));
  target.addEventListener("dragover", (event) => {
    const data = takenData(/** @type {DragEvent} */ (event));
    if (!data) return;
    event.preventDefault();
    if (data.types.includes(FROM_HERE)) data.dropEffect = "none";
    else if (data.types.includes("Files")) events.dragged();
  });
  target.addEventListener("drop", (event) => {
    const data = takenData(/** @type {DragEvent} */ (event));
    if (!data) return;
    event.preventDefault();
    if (data.types.includes(FROM_HERE)) return;
    const files = [...data.files];
    if (files.length > 0) events.files(files);
    else events.link(data.getData("text/plain"));
  });
  root.addEventListener("paste", (event) => {
    const { clipboardData, target: into } = event;
    const files = [...(clipboardData?.files ?? [])];
    const isForEdit = into instanceof Element && into.matches(".question-editor textarea");
    // a table or a text is pasted with a picture of it: then the text is meant
    if (files.length === 0 || clipboardData?.types.includes("text/plain") || !(into === field || isForEdit)) return;
    event.preventDefault();
    if (isForEdit) events.pastedIntoEdit();
    else events.files(files);
  });
}

/** @param {DragEvent} event @returns {DataTransfer | null} what is not left to the browser */
function takenData({ dataTransfer, target, defaultPrevented }) {
  if (defaultPrevented || !dataTransfer) return null;
  if (dataTransfer.types.includes("Files")) return dataTransfer;
  const isEditable = target instanceof HTMLElement && target.matches("textarea, input");
  return dataTransfer.types.includes("text/uri-list") && !isEditable ? dataTransfer : null;
}
