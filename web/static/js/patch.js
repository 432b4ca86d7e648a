/**
 * Makes a node's children like those of a freshly built fragment by changing only what differs. What is already
 * right stays the same node: it keeps its selection, its scroll position and its focus, and does not flicker.
 *
 * @param {ParentNode & Node} parent
 * @param {ParentNode & Node} wanted gives its nodes away
 * @param {number} [from] the first child to look at; those before it are finished
 */
export function patchChildren(parent, wanted, from = 0) {
  const fresh = [...wanted.childNodes];
  for (const [offset, node] of fresh.entries()) {
    const present = parent.childNodes[from + offset];
    if (!present) parent.appendChild(node);
    else patchNode(present, node);
  }
  while (parent.childNodes.length > from + fresh.length) parent.lastChild?.remove();
}

/**
 * @param {ChildNode} present
 * @param {ChildNode} wanted
 */
function patchNode(present, wanted) {
  if (present.nodeType === Node.TEXT_NODE && wanted.nodeType === Node.TEXT_NODE) {
    if (present.textContent !== wanted.textContent) present.textContent = wanted.textContent;
  } else if (isOpen(present) && isOpen(wanted) && present.tagName === wanted.tagName) {
    patchAttributes(present, wanted);
    patchChildren(present, wanted);
  } else if (!present.isEqualNode(wanted)) {
    present.replaceWith(wanted);
  }
}

/**
 * A formula is replaced whole: its styles are properties, and copying them as attributes is what the
 * Content-Security-Policy forbids.
 *
 * @param {Node} node
 * @returns {node is Element}
 */
function isOpen(node) {
  return node instanceof HTMLElement && !node.classList.contains("formula");
}

/**
 * @param {Element} present
 * @param {Element} wanted
 */
function patchAttributes(present, wanted) {
  for (const { name } of [...present.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open" && name !== "data-label") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
}
