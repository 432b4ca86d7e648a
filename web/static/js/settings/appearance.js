/**
 * Applies theme, text size and language, before the first paint and after each change. The browser waits for this
 * module before it paints, so it imports as little as possible.
 */

import { conversationInAddress } from "../browser/address.js";
import { coarsePointer, frame, isAlone, isOwnPage, root } from "../browser/page_root.js";
import { translate, useLanguage } from "../i18n/language.js";
import { settings } from "./settings.js";

function apply() {
  const { theme, textSize, language } = settings.values;
  frame.dataset.theme = theme;
  frame.dataset.textSize = textSize;
  setThemeColor();
  useLanguage(language);
}

/** Gives the browser's toolbar the background colour of the page. */
function setThemeColor() {
  if (!isAlone) return;
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", getComputedStyle(frame).backgroundColor);
}

root.classList.toggle("at-start", !conversationInAddress()); // its composer is elsewhere
translate();
apply();
// not by `autofocus`, which would open a keyboard on the screen
if (isOwnPage && !coarsePointer.matches) {
  root.querySelector("textarea")?.focus({ preventScroll: true });
}
settings.onChange(apply);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setThemeColor);
