/**
 * How the page looks and speaks: its theme, text size and language, before the first paint and after each change.
 * The only module that a browser waits for before it paints, so it imports no more than this needs.
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

/** The browser's own frame around the page takes the colour of the paper. */
function setThemeColor() {
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", getComputedStyle(root).backgroundColor);
}

translate(document);
apply();
settings.onChange(apply);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setThemeColor);
