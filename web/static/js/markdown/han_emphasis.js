/** Marks Chinese emphasis for the style sheet: Chinese uses dots, not italics. @param {DocumentFragment} fragment */
export function markHanEmphasis(fragment) {
  for (const emphasis of fragment.querySelectorAll("em, i")) {
    if (/\p{Script=Han}/u.test(emphasis.textContent ?? "")) emphasis.className = "han";
  }
}
