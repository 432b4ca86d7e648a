/** Loads the fonts of formulas again that could not be loaded: a browser does not. */

import { STATIC } from "../browser/libraries.js";
import { loadPersistently } from "../ui/part_loader.js";
import { reportGrowth } from "../ui/in_view.js";

const FORMULAS = /^"?(KaTeX_\w+)/;

/** Call once, before the first of them is needed. */
export function keepFormulaFonts() {
  document.fonts.addEventListener("loadingerror", ({ fontfaces }) => {
    for (const face of fontfaces) void loadAgain(face);
  });
}

/** @param {FontFace} failed */
async function loadAgain({ family, style, weight }) {
  const name = FORMULAS.exec(family)?.[1];
  if (!name) return;
  const variant = `${/^(700|bold)$/.test(weight) ? "Bold" : ""}${style === "italic" ? "Italic" : ""}` || "Regular";
  const source = `url(${new URL(`vendor/katex/fonts/${name}-${variant}.woff2`, STATIC).href})`;
  const loaded = await loadPersistently(() => new FontFace(name, source, { style, weight }).load());
  document.fonts.add(loaded);
  reportGrowth();
}
