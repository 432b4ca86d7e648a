/** Names the files that were not put into the message, each with its own cause. */

import { onLanguageChange, texts } from "../i18n/language.js";

/**
 * @typedef {"fileNotText" | "fileNotTextOrImage" | "fileNotUtf8" | "fileTooLarge" | "fileUnreadable" | "imageUnreadable" | "imageExcess"} RefusalCause
 *   the second where images may be sent
 *
 * @typedef {{ name: string, cause: RefusalCause }} RefusedFile
 */

const MOST = 3; // named; the others are counted: more would push the message box out of a small window
const MAX_NAME_CHARS = 60;

/** Writes the present list again. */
let write = () => {};
onLanguageChange(() => write());

/**
 * @param {RefusedFile[]} files
 * @returns {(element: HTMLElement) => void} writes them into an element, in the language of the page
 */
export function listOf(files) {
  return (element) => {
    write = () => {
      const named = files.slice(0, MOST).map(({ name, cause }) => [nameElement(name), texts.refusedBecause(texts[cause])]);
      const further = files.length > MOST ? [[texts.furtherFiles(files.length - MOST)]] : [];
      const lines = [...(files.length > 1 ? [[texts.filesRefused]] : []), ...named, ...further];
      element.replaceChildren(...lines.flatMap((line, at) => [...(at > 0 ? [document.createElement("br")] : []), ...line]));
    };
    write();
  };
}

/** @param {string} name */
function nameElement(name) {
  const letters = [...(name || texts.image)];
  const element = document.createElement("bdi");
  // both ends of a long one tell it from others
  const half = MAX_NAME_CHARS / 2;
  element.textContent = letters.length > MAX_NAME_CHARS ? `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}` : letters.join("");
  return element;
}
