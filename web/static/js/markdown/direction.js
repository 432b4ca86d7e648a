/**
 * The text direction of an answer's blocks. Each block takes its direction from its first letter, so right-to-left
 * and left-to-right text can follow each other.
 */

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, th, td, dt, dd, summary";
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;

/** @param {DocumentFragment} fragment */
export function setDirections(fragment) {
  for (const block of fragment.querySelectorAll(BLOCKS)) block.setAttribute("dir", "auto");
  // `dir="auto"` ignores the text of child blocks that have a `dir` themselves
  for (const container of fragment.querySelectorAll("blockquote, .table")) {
    if (RIGHT_TO_LEFT.test(container.textContent ?? "")) container.setAttribute("dir", "rtl");
  }
}
