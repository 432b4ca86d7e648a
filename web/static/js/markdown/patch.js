/**
 * Makes a node's children like those of a freshly built fragment by changing only what differs. What is already
 * right stays the same node: it keeps its selection, its scroll position and its focus, and does not flicker.
 */

import { setCode } from "./code_lines.js";

/**
 * What an element was made from, where the page has made more of it since: a formula that is typeset, a language that
 * has its name. Such an element stays while it is wanted from the same.
 * @type {WeakMap<Element, string>}
 */
const sources = new WeakMap();

/**
 * @param {Element} element
 * @param {string} source
 */
export function setSource(element, source) {
  sources.set(element, source);
}

/**
 * @param {ParentNode & Node} parent
 * @param {ParentNode & Node} wanted gives its nodes away
 * @param {ChildNode | null} [from] the first child to look at, those before it are finished; null where all are
 */
export function patchChildren(parent, wanted, from = parent.firstChild) {
  let present = from;
  for (const node of [...wanted.childNodes]) {
    const next = present?.nextSibling ?? null;
    if (present) patchNode(present, node);
    else parent.appendChild(node);
    present = next;
  }
  while (present) {
    const next = present.nextSibling;
    present.remove();
    present = next;
  }
}

/**
 * @param {ChildNode} present
 * @param {ChildNode} wanted
 */
function patchNode(present, wanted) {
  if (present instanceof Text && wanted instanceof Text) {
    patchText(present, wanted.data);
  } else if (!(present instanceof Element && wanted instanceof Element) || present.tagName !== wanted.tagName) {
    present.replaceWith(wanted);
  } else if (sources.has(present) || sources.has(wanted)) {
    if (sources.get(present) !== sources.get(wanted)) present.replaceWith(wanted);
  } else if (present.matches("pre > code")) {
    patchAttributes(present, wanted);
    setCode(present, wanted.textContent ?? "");
  } else {
    patchAttributes(present, wanted);
    patchChildren(present, wanted);
  }
}

/**
 * Text that has grown is added to: replacing it would lose what the reader has selected in it.
 *
 * @param {Text} present
 * @param {string} wanted
 */
function patchText(present, wanted) {
  if (present.data === wanted) return;
  if (wanted.startsWith(present.data)) present.appendData(wanted.slice(present.data.length));
  else present.data = wanted;
}

/**
 * @param {Element} present
 * @param {Element} wanted
 */
function patchAttributes(present, wanted) {
  for (const { name } of [...present.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
}
