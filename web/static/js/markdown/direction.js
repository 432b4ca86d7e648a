/**
 * Which way an answer's blocks run. Each finds its own direction by its first letter, so that Arabic and Hebrew stand
 * right beside English and Chinese.
 */

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, th, td, dt, dd, summary";
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;

/** @param {DocumentFragment} fragment */
export function setDirections(fragment) {
  for (const block of fragment.querySelectorAll(BLOCKS)) block.setAttribute("dir", "auto");
  // `auto` does not look into blocks that have a direction of their own
  for (const container of fragment.querySelectorAll("blockquote, .table")) {
    if (RIGHT_TO_LEFT.test(container.textContent ?? "")) container.setAttribute("dir", "rtl");
  }
}
