/** Shows, while files are dragged over the page, that they may be dropped. Loaded with the first of them. */

import { loadStyles } from "../browser/libraries.js";
import { setText } from "../i18n/language.js";

const GONE_MS = 800; // browsers say at least every 550 ms that something is dragged, and not always that it has left

const sign = document.createElement("p");
let timer = 0;
sign.className = "drop-sign";
for (const end of ["drop", "dragend"]) addEventListener(end, () => sign.remove(), { capture: true });

/** Call with each `dragover` of files. @param {HTMLFormElement} form of the message */
export async function showDropSign(form) {
  clearTimeout(timer);
  timer = setTimeout(() => sign.remove(), GONE_MS);
  if (sign.isConnected) return;
  setText(sign, "dropFiles");
  form.append(sign);
  await loadStyles("css/dialog.css");
}
