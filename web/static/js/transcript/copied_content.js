/** What is copied from answers: formulas as TeX, no button texts, code without a line end after it. */

const LEFT_OUT =
  "[hidden], button, figcaption, .tool, .reasoning:not([open]), .reasoning > summary, .source-list > details:not([open]), .source-list summary, .progress, .actions, .question-actions, .ending, .branches, textarea, svg";
/** Without which a part of it means something else. */
const MEANINGFUL = "table, thead, tbody, tr, ol, ul, a, strong, em, del, code, kbd, sub, sup";

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
 * @param {Iterable<Element>} parts the parts of an answer's text, and its sources
 * @returns {string} the same as HTML for other programs
 */
export function richText(parts) {
  const ranges = [...parts].map((part) => {
    const range = document.createRange();
    range.selectNodeContents(part);
    return range;
  });
  return ranges.map((range) => htmlOf(contentOf(range))).join("");
}

/** @param {Range} range @returns {HTMLElement} a copy of what is in it */
function contentOf(range) {
  const whole = range.cloneRange();
  leaveUntouched(whole);
  // of a formula that is drawn, all or nothing can be read
  const first = elementOf(whole.startContainer).closest(".formula:has(.katex)");
  const last = elementOf(whole.endContainer).closest(".formula:has(.katex)");
  if (first) whole.setStartBefore(first);
  if (last) whole.setEndAfter(last);
  const copy = document.createElement("div");
  copy.append(withMeaning(whole.cloneContents(), elementOf(whole.commonAncestorContainer)));
  numberFrom(whole, copy);
  for (const element of copy.querySelectorAll(LEFT_OUT)) element.remove();
  for (const formula of copy.querySelectorAll(".formula")) formula.replaceWith(texOf(formula));
  for (const lone of copy.querySelectorAll(".katex")) lone.replaceWith(texOf(lone));
  for (const element of copy.querySelectorAll("pre > code")) {
    element.textContent = (element.textContent ?? "").replace(/\n$/, "");
  }
  return copy;
}

/** Takes out the beginning of a block that a range ends at, as after three clicks on the one before. @param {Range} range */
function leaveUntouched(range) {
  while (!range.endContainer.contains(range.startContainer) && endsInNothing(range)) range.setEndBefore(range.endContainer);
}

/** @param {Range} range @returns {boolean} whether it has nothing that can be seen of the node that it ends in */
function endsInNothing({ endContainer, endOffset }) {
  const part = document.createRange();
  part.setStart(endContainer, 0);
  part.setEnd(endContainer, endOffset);
  const content = part.cloneContents();
  return content.textContent?.trim() === "" && !content.querySelector("img, hr, input");
}

/**
 * @param {DocumentFragment} content
 * @param {Element} element of which it is a part
 * @returns {Node} the content within what makes rows a table, items a list, and words a link or strong
 */
function withMeaning(content, element) {
  /** @type {Node} */
  let whole = content;
  for (let each = element; each.matches(MEANINGFUL); each = /** @type {Element} */ (each.parentElement)) {
    const copy = each.cloneNode();
    copy.appendChild(whole);
    whole = copy;
  }
  return whole;
}

/**
 * Gives numbered lists the numbers of their first items.
 * @param {Range} range
 * @param {HTMLElement} copy of what is in it
 */
function numberFrom(range, copy) {
  const { startContainer, startOffset, commonAncestorContainer } = range;
  const start = startContainer.childNodes[startOffset] ?? startContainer;
  const lists = [];
  for (let item = elementOf(start).closest("ol > li"); item; item = item.parentElement?.closest("ol > li") ?? null) lists.unshift(item);
  /** @type {Element | null} */
  let place = copy;
  for (const item of lists) {
    const list = /** @type {HTMLOListElement} */ (item.parentElement);
    if (!elementOf(commonAncestorContainer).contains(list)) continue;
    place = place?.querySelector("ol") ?? null;
    if (place instanceof HTMLOListElement) place.start = list.start + [...list.children].indexOf(item);
  }
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
