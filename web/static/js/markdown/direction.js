/**
 * The text direction of an answer's blocks. Each block takes its direction from its first letter, so right-to-left
 * and left-to-right text can follow each other.
 */

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, th, td, dt, dd, summary";
// with blocks inside: `dir="auto"` ignores the text of those that have a `dir` themselves
const CONTAINERS = "blockquote, .table, ul, ol, dl, details, .footnote";
// in one order in every language; they do not decide about the direction of what they are in
const LEFT_TO_RIGHT = ".formula, .formula-open, :not(pre) > :is(code, kbd, samp)";
const RIGHT_TO_LEFT = /^[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;

/** @param {DocumentFragment} fragment */
export function setDirections(fragment) {
  for (const block of fragment.querySelectorAll(BLOCKS)) block.setAttribute("dir", "auto");
  for (const element of fragment.querySelectorAll(LEFT_TO_RIGHT)) element.setAttribute("dir", "ltr");
  for (const container of fragment.querySelectorAll(CONTAINERS)) {
    const first = container.firstElementChild;
    const name = first?.matches(".callout-title[data-text]") ? first : null; // in the language of the page
    if (!RIGHT_TO_LEFT.test(firstLetter(container, name))) continue;
    container.setAttribute("dir", "rtl");
    name?.setAttribute("dir", "rtl");
  }
}

/**
 * @param {Element} container
 * @param {Element | null} name
 * @returns {string} the first letter outside its name and what is always left-to-right; empty if there is none
 */
function firstLetter(container, name) {
  const texts = document.createTreeWalker(container, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement } = /** @type {Text} */ (texts.currentNode);
    const letter = /\p{L}/u.exec(data)?.[0];
    if (letter && !name?.contains(parentElement) && !parentElement?.closest('[dir="ltr"]')) return letter;
  }
  return "";
}
