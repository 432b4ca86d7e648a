/**
 * Splits code whose long lines wrap into lines, each of which knows its indentation: the style sheet indents the rest of
 * a wrapped line deeper than its beginning. Otherwise, Python that wraps would look like another program.
 */

const TAB = 4; // columns, as in the style sheet
const SLICE_MS = 8; // of a frame

/** What watches code that is split. @type {WeakMap<Element, AbortController>} */
const watched = new WeakMap();

/**
 * Splits the code into lines over some frames, and again what is appended or highlighted later.
 * @param {Element} code its boxes, as code_lines.js makes them, have lines of text
 * @param {{ atOnce?: boolean }} [options] whether to split all of it before returning
 */
export function splitLines(code, { atOnce = false } = {}) {
  if (watched.has(code)) return;
  const controller = new AbortController();
  const { signal } = controller;
  watched.set(code, controller);
  /** Boxes to split. @type {Set<Element>} */
  const queue = new Set(code.children);
  let frame = 0;
  const observer = new MutationObserver((records) => {
    for (const { target } of records) {
      if (target === code) for (const box of code.children) queue.add(box);
      const box = boxOf(code, target);
      if (box) queue.add(box);
    }
    schedule();
  });
  const schedule = () => (frame ||= requestAnimationFrame(split));
  const split = () => {
    frame = 0;
    const until = atOnce ? Infinity : performance.now() + SLICE_MS;
    for (const box of queue) {
      if (performance.now() > until) break;
      queue.delete(box);
      splitBox(box);
    }
    observer.takeRecords(); // its own changes
    if (queue.size > 0) schedule();
  };
  observer.observe(code, { childList: true, characterData: true, subtree: true });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  });
  split();
}

/** Joins the lines again. @param {Element} code */
export function joinLines(code) {
  watched.get(code)?.abort();
  watched.delete(code);
  for (const box of code.children) joinBox(box);
}

/**
 * @param {Element} code
 * @param {Node} node
 * @returns {Element | null} the box that the node is in
 */
function boxOf(code, node) {
  /** @type {Node | null} */
  let box = node;
  while (box && box.parentNode !== code) box = box.parentNode;
  return box instanceof Element ? box : null;
}

/** @param {Element} box */
function joinBox(box) {
  for (const line of box.querySelectorAll(":scope > .line")) line.replaceWith(...line.childNodes);
  box.normalize();
}

/** @param {Element} box */
function splitBox(box) {
  joinBox(box);
  const text = box.textContent ?? "";
  const lines = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start) + 1 || text.length;
    lines.push(lineOf(box, text.slice(start, end)));
    start = end;
  }
  box.append(...lines);
}

/**
 * Takes the first line out of a box.
 * @param {Element} box
 * @param {string} text of the line, with its line end
 */
function lineOf(box, text) {
  const range = document.createRange();
  range.setStart(box, 0);
  range.setEnd(...placeOf(box, text.length));
  const line = document.createElement("span");
  line.className = "line";
  line.append(range.extractContents()); // closes and opens again what goes on in the next line
  line.style.setProperty("--indent", String(indentationOf(text)));
  return line;
}

/**
 * @param {Element} box
 * @param {number} offset in its text, above 0
 * @returns {[Node, number]}
 */
function placeOf(box, offset) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  let rest = offset;
  while (walker.nextNode()) {
    const { length } = /** @type {Text} */ (walker.currentNode);
    if (rest <= length) return [walker.currentNode, rest];
    rest -= length;
  }
  return [box, box.childNodes.length];
}

/** @param {string} line @returns {number} columns */
function indentationOf(line) {
  let columns = 0;
  for (const letter of /^[ \t]*/.exec(line)?.[0] ?? "") columns += letter === "\t" ? TAB - (columns % TAB) : 1;
  return columns;
}
