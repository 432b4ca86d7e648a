/**
 * Updates a node's children to match a fragment, changing only what differs. Unchanged nodes keep their selection,
 * scroll position and focus, and do not flicker.
 */

import { setCode } from "./code_lines.js";

/**
 * What an element was made from, if the page changes it later: a formula that is typeset, a code block's header. Such
 * an element is kept while the wanted one has the same source.
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
 * @param {ParentNode & Node} wanted its nodes are moved into the parent
 * @param {ChildNode | null} [from] the first child to compare; null to append after all children
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
 * Appends to a text that has grown: replacing it would lose the reader's selection.
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
 * Whether a section is open is the reader's choice.
 * @param {Element} present
 * @param {Element} wanted
 */
function patchAttributes(present, wanted) {
  for (const { name } of [...present.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value && name !== "open") present.setAttribute(name, value);
  }
}
