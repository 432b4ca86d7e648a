/** Names for assistive technology in an answer, of what scrolls sideways and of footnotes: "Code 2 of 3: Python", "Table". */

import { root } from "../browser/page_root.js";
import { nameCode } from "./code_block.js";
import { nameFootnotes } from "./footnote_links.js";
import { onLanguageChange } from "../i18n/language.js";
import { nameTable } from "./table_block.js";

const AT_ONCE = 1000; // 4 ms on a usual machine; 25,000 took half of the longest task that is allowed

onLanguageChange(() => {
  for (const prose of root.querySelectorAll(".prose:not(.plain)")) nameBlocks(prose);
  nameFootnotes(root);
});

/** Numbers the blocks of each kind, thousands of them in several tasks. @param {Element} prose a complete text */
export function nameBlocks(prose) {
  const figures = [...prose.querySelectorAll("figure.code")];
  nameEach(figures, (figure, index) => nameCode(figure, { number: index + 1, count: figures.length }));
  const tables = [...prose.querySelectorAll(".table")];
  nameEach(tables, (table, index) => nameTable(table, index + 1, tables.length));
}

/**
 * @param {Element[]} blocks
 * @param {(block: Element, index: number) => void} name
 * @param {number} [from] the index of the first one
 */
function nameEach(blocks, name, from = 0) {
  const end = from + AT_ONCE;
  blocks.slice(from, end).forEach((block, index) => name(block, from + index));
  if (end < blocks.length) setTimeout(() => nameEach(blocks, name, end));
}
