/**
 * The text direction of an answer's blocks. Each block takes its direction from its first letter, so right-to-left
 * and left-to-right text can follow each other.
 */

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, th, td, dt, dd, summary";
// with blocks inside: `dir="auto"` ignores the text of those that have a `dir` themselves
const CONTAINERS = "blockquote, .table, ul, ol, dl, details, .footnote";
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;

/** @param {DocumentFragment} fragment */
export function setDirections(fragment) {
  for (const block of fragment.querySelectorAll(BLOCKS)) block.setAttribute("dir", "auto");
  for (const container of fragment.querySelectorAll(CONTAINERS)) {
    const first = container.firstElementChild;
    const name = first?.matches(".callout-title[data-text]") ? first : null; // in the language of the page
    const text = (container.textContent ?? "").trimStart().slice(name?.textContent?.length ?? 0);
    if (!RIGHT_TO_LEFT.test(text)) continue;
    container.setAttribute("dir", "rtl");
    name?.setAttribute("dir", "rtl");
  }
}
