/** What is copied from answers: formulas as TeX, no button texts, code without a line end after it. */

const LEFT_OUT =
  "button, figcaption, .tool, .reasoning:not([open]), .reasoning > summary, .progress, .actions, .question-actions, .ending, .branches, textarea, svg";

/**
 * Takes over the copying of a selection in answers. Call once.
 * @param {HTMLElement} log
 */
export function watchCopying(log) {
  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (event.defaultPrevented || !event.clipboardData || !selection?.rangeCount || selection.isCollapsed) return;
    const range = selection.getRangeAt(0);
    const code = elementOf(range.commonAncestorContainer).closest("pre");
    if (!log.contains(range.startContainer) && !log.contains(range.endContainer)) return;
    if (code && log.contains(code)) {
      event.clipboardData.setData("text/plain", selection.toString().replace(/\n$/, ""));
      return event.preventDefault();
    }
    const copy = contentOf(range);
    event.clipboardData.setData("text/plain", textOf(copy, log));
    event.clipboardData.setData("text/html", htmlOf(copy));
    event.preventDefault();
  });
}

/**
 * @param {Iterable<Element>} proses the parts of an answer's text
 * @returns {string} the same as HTML for other programs
 */
export function richText(proses) {
  const ranges = [...proses].map((prose) => {
    const range = document.createRange();
    range.selectNodeContents(prose);
    return range;
  });
  return ranges.map((range) => htmlOf(contentOf(range))).join("");
}

/** @param {Range} range @returns {HTMLElement} a copy of what is in it */
function contentOf(range) {
  const whole = range.cloneRange();
  // of a formula that is drawn, all or nothing can be read
  const first = elementOf(range.startContainer).closest(".formula:has(.katex)");
  const last = elementOf(range.endContainer).closest(".formula:has(.katex)");
  if (first) whole.setStartBefore(first);
  if (last) whole.setEndAfter(last);
  const copy = document.createElement("div");
  copy.append(whole.cloneContents());
  for (const element of copy.querySelectorAll(LEFT_OUT)) element.remove();
  for (const formula of copy.querySelectorAll(".formula")) formula.replaceWith(texOf(formula));
  for (const lone of copy.querySelectorAll(".katex")) lone.replaceWith(texOf(lone));
  for (const element of copy.querySelectorAll("pre > code")) {
    element.textContent = (element.textContent ?? "").replace(/\n$/, "");
  }
  return copy;
}

/** @param {Element} formula typeset, or still its source, which is copied as it is shown */
function texOf(formula) {
  const tex = formula.querySelector("annotation")?.textContent.trim();
  const isBlock = formula.tagName === "DIV";
  const dollars = isBlock || formula.classList.contains("formula-display") ? "$$" : "$";
  const copy = document.createElement(isBlock ? "p" : "span");
  copy.className = "source"; // keeps its line ends
  copy.textContent = tex === undefined ? formula.textContent : `${dollars}${tex}${dollars}`;
  return copy;
}

/**
 * @param {HTMLElement} copy
 * @param {HTMLElement} log the text is laid out there for a moment, because only then its line ends are known
 */
function textOf(copy, log) {
  const place = document.createElement("div");
  place.className = "prose visually-hidden copying";
  place.append(copy.cloneNode(true));
  log.append(place);
  const text = place.innerText;
  place.remove();
  return text.replace(/^\n+|\n+$/g, "");
}

/** @param {HTMLElement} copy */
function htmlOf(copy) {
  const plain = /** @type {HTMLElement} */ (copy.cloneNode(true));
  for (const span of plain.querySelectorAll("code span")) span.replaceWith(...span.childNodes); // highlighting
  for (const link of plain.querySelectorAll("a")) link.href = String(link.href); // absolute
  for (const element of plain.querySelectorAll("*")) {
    for (const { name } of [...element.attributes]) {
      if (!/^(?:href|src|alt|colspan|rowspan|start|align|checked|type|disabled|dir)$/.test(name)) element.removeAttribute(name);
    }
  }
  return plain.innerHTML;
}

/** @param {Node} node */
function elementOf(node) {
  return /** @type {Element} */ (node instanceof Element ? node : node.parentElement);
}
