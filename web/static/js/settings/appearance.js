/**
 * Applies theme, text size and language, before the first paint and after each change. The browser waits for this
 * module before it paints, so it imports as little as possible.
 */

import { translate, useLanguage } from "../i18n/language.js";
import { settings } from "./settings.js";

const root = document.documentElement;

function apply() {
  const { theme, textSize, language } = settings.values;
  root.dataset.theme = theme;
  root.dataset.textSize = textSize;
  setThemeColor();
  useLanguage(language);
}

/** Gives the browser's toolbar the background colour of the page. */
function setThemeColor() {
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", getComputedStyle(root).backgroundColor);
}

translate(document);
apply();
settings.onChange(apply);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setThemeColor);
