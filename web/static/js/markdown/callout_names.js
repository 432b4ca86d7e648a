/** The names of callouts in the page's language. */

import { setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** @type {Record<string, TextKey>} */
const NAMES = {
  note: "calloutNote",
  tip: "calloutTip",
  important: "calloutImportant",
  warning: "calloutWarning",
  caution: "calloutCaution",
};

/** Writes the names of callouts without a title of their own. @param {DocumentFragment} fragment */
export function showCalloutNames(fragment) {
  for (const title of fragment.querySelectorAll(".callout > .callout-title")) {
    const key = NAMES[title.textContent ?? ""];
    if (key) setText(title, key);
  }
}
