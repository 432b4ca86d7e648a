/**
 * The blocks of one answer in the page. What is settled is left alone from then on; behind it stand the nodes that
 * are shown for the moment, which the next part replaces by changing only what differs.
 */

import { codeBlock } from "./code_block.js";
import { growCode } from "./code_lines.js";
import { patchChildren } from "./patch.js";
import { tablePiece } from "./table_block.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */
/** @typedef {import("marked").Links} Links */
/** @typedef {{ fragment: DocumentFragment, inner: DocumentFragment }} Rendered inner: what the last block takes in */

const LABEL = /\[([^[\]]+)\](?!\()/g;

export class BlockList {
  #element;
  #markdown;
  /** The last settled block, and the list or table that it is with its own last settled piece. */
  /** @type {Element | null} */
  #last = null;
  /** @type {{ box: Element, last: ChildNode | null } | null} */
  #inner = null;
  /** @type {Element | null} */
  #code = null;
  /** @type {{ part: BlocksPart, nodes: Element[], inner: Element[] }[]} parts with labels that nothing defines yet */
  #undefined = [];

  /**
   * @param {Element} element
   * @param {Markdown} markdown
   */
  constructor(element, markdown) {
    this.#element = element;
    this.#markdown = markdown;
    element.replaceChildren();
  }

  /** @param {BlocksPart | CodePart} part the next one in order */
  settle(part) {
    if (part.kind === "code") return this.#settleCode(part);
    const { nodes, inner } = this.#place(part, { growing: false });
    if (labelsOf(part).some((label) => !part.links[label])) this.#undefined.push({ part, nodes, inner });
    this.#settleNodes();
  }

  /** @param {BlocksPart | null} part what stands behind the settled ones for now */
  show(part) {
    if (part) this.#place(part, { growing: true });
    else this.#patch({ fragment: new DocumentFragment(), inner: new DocumentFragment() });
  }

  /** Renders what a later definition has changed. @param {Links} links all that there are */
  define(links) {
    for (const { part, nodes, inner } of this.#undefined) {
      if (!labelsOf(part).some((label) => links[label] && !part.links[label])) continue;
      const source = part.blocks.map(({ raw }) => raw).join("");
      const rendered = this.#render({ ...part, blocks: this.#markdown.blocks(source, { ...links }) });
      replace(nodes, rendered.fragment);
      replace(inner, rendered.inner);
    }
    this.#undefined = [];
  }

  /** @param {CodePart} part */
  #settleCode({ begins, ends, language, text }) {
    if (begins) {
      const { figure, code } = codeBlock(language);
      const fragment = new DocumentFragment();
      fragment.append(figure);
      this.#patch({ fragment: new DocumentFragment(), inner: new DocumentFragment() });
      this.#element.append(fragment);
      this.#code = code;
      this.#settleNodes();
    }
    if (!this.#code) return;
    growCode(this.#code, text);
    this.#markdown.colour(this.#code, { growing: !ends });
    if (ends) this.#code = null;
  }

  /**
   * @param {BlocksPart} part
   * @param {{ growing: boolean }} state
   */
  #place(part, state) {
    this.#patch(this.#render(part));
    const nodes = elementsAfter(this.#last, this.#element);
    const inner = this.#inner ? elementsAfter(this.#inner.last, this.#inner.box) : [];
    for (const element of [...inner, ...nodes]) this.#markdown.enliven(element, state);
    return { nodes, inner };
  }

  /** @param {BlocksPart} part @returns {Rendered} */
  #render({ blocks, continues }) {
    const fragment = this.#markdown.render(blocks);
    const inner = new DocumentFragment();
    const first = fragment.firstElementChild;
    if (continues && first) {
      if (!this.#inner) first.classList.add("continued");
      else if (first.matches(".table")) inner.append(tablePiece(this.#inner.box, first));
      else inner.append(...first.childNodes);
      if (this.#inner) first.remove();
    }
    return { fragment, inner };
  }

  /** @param {Rendered} rendered */
  #patch({ fragment, inner }) {
    if (this.#inner) patchChildren(this.#inner.box, inner, after(this.#inner.last, this.#inner.box));
    patchChildren(this.#element, fragment, after(this.#last, this.#element));
  }

  #settleNodes() {
    this.#last = this.#element.lastElementChild;
    const box = this.#last?.matches("ul, ol, .table") ? this.#last : null;
    this.#inner = box && { box, last: box.lastChild };
  }
}

/** @param {BlocksPart} part */
function labelsOf({ blocks }) {
  return blocks.flatMap(({ type, raw }) =>
    type === "code" || type === "def" ? [] : Array.from(raw.matchAll(LABEL), ([, label = ""]) => normalised(label)),
  );
}

/** As marked keeps the labels of definitions. @param {string} label */
function normalised(label) {
  return label.toLowerCase().replace(/\s+/g, " ");
}

/**
 * @param {ChildNode | null} node
 * @param {Element} parent
 */
function after(node, parent) {
  return node ? node.nextSibling : parent.firstChild;
}

/**
 * @param {ChildNode | null} node
 * @param {Element} parent
 */
function elementsAfter(node, parent) {
  const elements = [];
  for (let next = after(node, parent); next; next = next.nextSibling) if (next instanceof Element) elements.push(next);
  return elements;
}

/**
 * @param {Element[]} nodes
 * @param {DocumentFragment} fragment
 */
function replace([first, ...others], fragment) {
  for (const node of others) node.remove();
  first?.replaceWith(fragment);
}
