/**
 * Takes what is dropped anywhere on the page, and files that are pasted into the message box. Without this, the browser
 * would open a dropped file or link in the place of the page.
 */

import { isOwnPage, root } from "../browser/page_root.js";

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
  target.addEventListener("dragover", (event) => {
    const drag = /** @type {DragEvent} */ (event);
    if (!isTaken(drag)) return;
    drag.preventDefault();
    if (drag.dataTransfer?.types.includes("Files")) events.dragged();
  });
  target.addEventListener("drop", (event) => {
    const drop = /** @type {DragEvent} */ (event);
    if (!isTaken(drop)) return;
    drop.preventDefault();
    const files = [...(drop.dataTransfer?.files ?? [])];
    if (files.length > 0) events.files(files);
    else events.link(drop.dataTransfer?.getData("text/plain") ?? "");
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

/** @param {DragEvent} event */
function isTaken({ dataTransfer, target, defaultPrevented }) {
  if (defaultPrevented || !dataTransfer) return false;
  if (dataTransfer.types.includes("Files")) return true;
  const isEditable = target instanceof HTMLElement && target.matches("textarea, input");
  return dataTransfer.types.includes("text/uri-list") && !isEditable;
}
