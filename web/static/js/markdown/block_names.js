/** Names for assistive technology in an answer, of what scrolls sideways and of footnotes: "Code 2 of 3: Python", "Table". */

import { root } from "../browser/page_root.js";
import { nameCode } from "./code_block.js";
import { nameFootnotes } from "./footnote_links.js";
import { onLanguageChange } from "../i18n/language.js";
import { nameTable } from "./table_block.js";

onLanguageChange(() => {
  for (const prose of root.querySelectorAll(".prose:not(.plain)")) nameBlocks(prose);
  nameFootnotes(root);
});

/** Numbers the blocks of each kind. @param {Element} prose a complete text */
export function nameBlocks(prose) {
  const figures = prose.querySelectorAll("figure.code");
  figures.forEach((figure, index) => nameCode(figure, { number: index + 1, count: figures.length }));
  const tables = prose.querySelectorAll(".table");
  tables.forEach((table, index) => nameTable(table, index + 1, tables.length));
}
