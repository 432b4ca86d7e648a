/**
 * Typesets formulas. KaTeX's nodes replace the source of a formula, and its output is never parsed as HTML. Many
 * formulas are typeset over several frames.
 */

/** @typedef {import("../browser/libraries.js").Katex} Katex */
/** @typedef {import("../browser/libraries.js").KatexNode} KatexNode */

import { reportGrowth } from "../ui/in_view.js";
import { setSource } from "./patch.js";

const TYPESET = "data-typeset";
const DELIMITED = /^(?:\$\$([^]*)\$\$|\\\[([^]*)\\\]|\\\(([^]*)\\\)|\$([^]*)\$)[ \t]*([.,;:]*)$/;
/** Of the name of a command that `trust` refuses, in the place of the command with its arguments. A shade that no other has. */
const REFUSED = "#cb0102";
const OPTIONS = { strict: /** @type {const} */ ("ignore"), trust: false, errorColor: REFUSED, maxSize: 40, maxExpand: 500 };
const MAX_CHARS = 3_000; // KaTeX takes 50 ms for them on a slow machine; a longer formula stays as its source
/** Chromium's layout overflows its stack, and the tab crashes, at some thousand. Ten nested fractions have 80. */
const MAX_DEPTH = 250;
/** The one style that KaTeX sets as an attribute of visible parts, which are images such as the arrow of `\vec`. */
const WIDTH = /^width:(\d{1,2}(?:\.\d+)?em)$/;
// Style, layout and painting take five times as long as typesetting.
const SLICE_MS = 8;
const SLICE_FORMULAS = 30;

export class Typesetter {
  #katex;
  /** @type {Set<Element>} formulas that wait */
  #queue = new Set();
  /** Of the present slice, which ends with the next frame: when it ends, and how many formulas it has left. */
  #until = 0;
  #left = 0;
  #frame = 0;

  /** @param {Katex} katex */
  constructor(katex) {
    this.#katex = katex;
  }

  /**
   * Typesets an element's formulas in place: now, or in the next frames if there are many.
   * @param {Element} root in the page
   */
  typeset(root) {
    const below = root.querySelectorAll(`.formula:not([${TYPESET}])`);
    for (const element of root.matches(`.formula:not([${TYPESET}])`) ? [root, ...below] : below) this.#queue.add(element);
    if (!this.#frame) this.#beginSlice();
    this.#typesetSlice();
  }

  #beginSlice() {
    this.#until = performance.now() + SLICE_MS;
    this.#left = SLICE_FORMULAS;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#queue.size === 0) return;
      this.#beginSlice();
      this.#typesetSlice();
      reportGrowth();
    });
  }

  #typesetSlice() {
    for (const element of this.#queue) {
      if (this.#left === 0 || performance.now() > this.#until) return;
      this.#queue.delete(element);
      if (!element.isConnected || element.hasAttribute(TYPESET)) continue;
      this.#typesetOne(element);
      this.#left--;
    }
  }

  /** A formula that KaTeX cannot read stays as its source. @param {Element} element */
  #typesetOne(element) {
    const displayMode = element.tagName === "DIV" || element.classList.contains("formula-display");
    const tex = texOf(element.textContent ?? "");
    element.setAttribute(TYPESET, "");
    try {
      if (tex.length > MAX_CHARS) throw new RangeError("The formula is too long.");
      const tree = this.#katex.__renderToDomTree(tex, { ...OPTIONS, displayMode });
      prepare(tree, 0);
      element.replaceChildren(tree.toNode());
      if (!displayMode) joinPunctuation(element);
    } catch {
      element.classList.add("formula-unreadable");
    }
  }
}

/**
 * Wraps the first and the last part of a formula, so that the style sheet can keep them with the punctuation beside
 * them. Between its parts, lines may end.
 * @param {Element} formula
 */
function joinPunctuation(formula) {
  const parts = formula.querySelectorAll(".katex-html > .katex-base");
  for (const part of new Set([parts[0], parts[parts.length - 1]])) {
    const edge = document.createElement("span");
    edge.className = "edge";
    part?.replaceWith(edge);
    if (part) edge.append(part);
  }
}

/**
 * Records the source of each formula, so that `patchChildren` keeps typeset ones while the paragraph grows.
 * @param {ParentNode} root
 */
export function recordFormulaSources(root) {
  for (const element of root.querySelectorAll(".formula")) setSource(element, element.textContent ?? "");
}

/**
 * @param {string} source with its delimiters, and with punctuation after it
 * @returns {string}
 */
function texOf(source) {
  const [whole, dollars, brackets, parentheses, dollar, tail = ""] = DELIMITED.exec(source) ?? [];
  return whole === undefined ? source : (dollars ?? brackets ?? parentheses ?? dollar ?? "") + tail;
}

/**
 * Removes the `style` attributes that KaTeX sets, which the Content-Security-Policy refuses, and sets their widths as
 * properties, which the policy allows. KaTeX itself sets all other styles so.
 *
 * @param {KatexNode} node
 * @param {number} depth of the node in the formula
 * @throws {RangeError} if the formula is nested too deeply, or a part of it is missing
 */
function prepare(node, depth) {
  if (depth > MAX_DEPTH) throw new RangeError("The formula is nested too deeply.");
  if (node.style?.color === REFUSED) throw new RangeError("The formula has a command that is not allowed.");
  const width = WIDTH.exec(node.attributes?.style ?? "")?.[1];
  if (node.attributes) delete node.attributes.style;
  if (width) setWidth(node, width);
  for (const child of node.children ?? []) prepare(child, depth + 1);
}

/**
 * @param {KatexNode} node of an image
 * @param {string} width
 */
function setWidth(node, width) {
  const toNode = node.toNode.bind(node);
  node.toNode = () => {
    const image = /** @type {SVGElement} */ (toNode());
    image.style.width = width;
    return image;
  };
}
