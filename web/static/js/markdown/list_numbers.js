/** Makes room for the numbers of lists: beyond two digits they would begin outside of the text, and on a phone of the page. */

const MOST = 5; // digits with a style of their own; the last one is for all longer numbers

/** @param {DocumentFragment} fragment */
export function makeRoomForNumbers(fragment) {
  for (const list of fragment.querySelectorAll("ol")) {
    const digits = String(list.start + list.children.length - 1).length;
    if (digits > 2) list.classList.add(`digits-${Math.min(digits, MOST)}`);
  }
}
