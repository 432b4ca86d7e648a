/**
 * The text of a code block, split into boxes of some lines each. A browser lays out only the box that has changed, so
 * appending to a block of many thousand lines costs no more than appending to a short one.
 */

/** @typedef {{ chars: number, lines: number, length: number, version: number }} CodeState
 *  `chars` and `lines` of the last box, `length` of the whole text */

const BOX_LINES = 40;
const BOX_CHARS = 2_000; // a longer box ends with its current line
const LINE_CHARS = 8_000; // a box with a longer line ends within that line

/** @type {WeakMap<Element, CodeState>} */
const states = new WeakMap();

/**
 * @param {Element} code
 * @param {string} text to append
 */
export function appendCode(code, text) {
  const state = states.get(code) ?? resetState(code);
  let rest = text;
  while (rest !== "") {
    let box = code.lastElementChild;
    if (!box || isFull(state, box)) {
      box = document.createElement("span");
      box.className = "lines";
      code.append(box);
      state.chars = state.lines = 0;
    }
    const piece = rest.slice(0, pieceLength(rest, state));
    const last = box.lastChild;
    if (last instanceof Text) last.appendData(piece);
    else box.append(piece);
    state.chars += piece.length;
    state.lines += piece.endsWith("\n") ? 1 : 0;
    rest = rest.slice(piece.length);
  }
  state.length += text.length;
}

/**
 * @param {Element} code
 * @param {string} text the whole text; if it begins with the present text, only the rest is appended
 */
export function setCode(code, text) {
  const present = states.has(code) ? (code.textContent ?? "") : null;
  if (present !== null && text.startsWith(present)) return appendCode(code, text.slice(present.length));
  code.replaceChildren();
  resetState(code);
  appendCode(code, text);
}

/** @param {Element} code */
export function codeLength(code) {
  return states.get(code)?.length ?? 0;
}

/** Returns a number that changes when the text was replaced instead of appended to. @param {Element} code */
export function codeVersion(code) {
  return states.get(code)?.version ?? 0;
}

/** @param {Element} code */
function resetState(code) {
  const state = { chars: 0, lines: 0, length: 0, version: (states.get(code)?.version ?? 0) + 1 };
  states.set(code, state);
  return state;
}

/**
 * @param {CodeState} state
 * @param {Element} box
 */
function isFull({ chars, lines }, box) {
  if (chars >= LINE_CHARS) return true;
  return (lines >= BOX_LINES || chars >= BOX_CHARS) && (box.lastChild?.textContent ?? "").endsWith("\n");
}

/**
 * @param {string} text
 * @param {CodeState} state
 * @returns {number} how many characters go into the box before `isFull` must be checked again: at most a line
 */
function pieceLength(text, { chars }) {
  const end = text.indexOf("\n") + 1 || text.length;
  return Math.min(end, LINE_CHARS - chars);
}
