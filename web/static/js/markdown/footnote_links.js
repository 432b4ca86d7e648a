/** Leads from a footnote's reference to its text, and back. */

import { texts } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";

const MARKS = "sup.footnote-reference, sup.footnote-label";

/** @type {WeakSet<Element>} */
const followed = new WeakSet();

/** Makes the references and labels of a text's footnotes operable. @param {HTMLElement} text */
export function followFootnotes(text) {
  if (followed.has(text)) return;
  followed.add(text);
  text.addEventListener("click", (event) => go(text, event));
  text.addEventListener("keydown", (event) => event.key === "Enter" && go(text, event));
}

/** @param {DocumentFragment} fragment */
export function markFootnotes(fragment) {
  for (const mark of fragment.querySelectorAll(MARKS)) {
    mark.setAttribute("role", "link");
    mark.setAttribute("tabindex", "0");
  }
  nameFootnotes(fragment);
}

/** Says where the marks lead: what is seen is a number or a word. @param {ParentNode} text */
export function nameFootnotes(text) {
  for (const mark of text.querySelectorAll(MARKS)) {
    const name = mark.matches(".footnote-reference") ? texts.footnote : texts.footnoteBack;
    mark.setAttribute("aria-label", name(mark.textContent ?? ""));
  }
}

/**
 * @param {HTMLElement} text
 * @param {Event} event
 */
function go(text, event) {
  const mark = event.target instanceof Element ? event.target.closest(MARKS) : null;
  if (!mark) return;
  const wanted = mark.matches(".footnote-reference") ? ".footnote-label" : ".footnote-reference";
  // the parts of an answer are one text
  const parts = text.matches(".answer > .prose") ? (text.parentElement?.querySelectorAll(":scope > .prose") ?? []) : [text];
  const targets = [...parts].flatMap((each) => [...each.querySelectorAll(wanted)]);
  const target = targets.find(({ textContent }) => textContent === mark.textContent);
  if (!(target instanceof HTMLElement)) return;
  target.focus({ preventScroll: true });
  bringIntoView(target);
}
