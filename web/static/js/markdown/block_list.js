/**
 * The blocks of one answer in the page. What is settled is left alone from then on; behind it stand the nodes that
 * are shown for the moment, which the next part replaces by changing only what differs.
 */

import { codeBlock } from "./code_block.js";
import { growCode } from "./code_lines.js";
import { patchChildren } from "./patch.js";
import { furtherRows, openTable } from "./table_block.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */
/** @typedef {import("marked").Links} Links */
/** @typedef {import("./table_block.js").OpenTable} OpenTable */
/** @typedef {{ fragment: DocumentFragment, inner: DocumentFragment }} Rendered inner: what the last table takes in */

const LABEL = /\[([^[\]]+)\](?!\()/g;

export class BlockList {
  #element;
  #markdown;
  /** @type {Element | null} the last settled block */
  #last = null;
  /** @type {OpenTable | null} the table that it is */
  #table = null;
  /** @type {Element | null} */
  #code = null;
  /** @type {{ part: BlocksPart, table: OpenTable | null, nodes: Element[], inner: Element[] }[]} parts with labels
   *  that nothing defines yet */
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
    if (labelsOf(part).some((label) => !part.links[label])) {
      this.#undefined.push({ part, table: this.#table, nodes, inner });
    }
    this.#settleNodes();
  }

  /** @param {BlocksPart | null} part what stands behind the settled ones for now */
  show(part) {
    if (part) this.#place(part, { growing: true });
    else this.#patch({ fragment: new DocumentFragment(), inner: new DocumentFragment() });
  }

  /** Renders what a later definition has changed. @param {Links} links all that there are */
  define(links) {
    /** @type {Element[]} */
    const anew = [];
    for (const { part, table, nodes, inner } of this.#undefined) {
      if (!labelsOf(part).some((label) => links[label] && !part.links[label])) continue;
      const source = part.blocks.map(({ raw }) => raw).join("");
      const rendered = this.#render({ ...part, blocks: this.#markdown.blocks(source, { ...links }) }, table);
      for (const element of [...rendered.fragment.children, ...rendered.inner.children]) anew.push(element);
      replace(nodes, rendered.fragment);
      replace(inner, rendered.inner);
    }
    this.#undefined = [];
    for (const element of anew) this.#markdown.enliven(element, { growing: false });
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
    this.#patch(this.#render(part, this.#table));
    const nodes = elementsAfter(this.#last, this.#element);
    const inner = this.#table ? elementsAfter(this.#table.last, this.#table.place) : [];
    for (const element of [...inner, ...nodes]) this.#markdown.enliven(element, state);
    return { nodes, inner };
  }

  /**
   * @param {BlocksPart} part
   * @param {OpenTable | null} table before it
   * @returns {Rendered}
   */
  #render({ blocks, continues }, table) {
    const fragment = this.#markdown.render(blocks);
    const inner = new DocumentFragment();
    const first = fragment.firstElementChild;
    if (continues && first && table) {
      inner.append(furtherRows(table, first));
      first.remove();
    } else if (continues && first) {
      first.classList.add("continued");
    }
    return { fragment, inner };
  }

  /** @param {Rendered} rendered */
  #patch({ fragment, inner }) {
    if (this.#table) patchChildren(this.#table.place, inner, after(this.#table.last, this.#table.place));
    patchChildren(this.#element, fragment, after(this.#last, this.#element));
  }

  #settleNodes() {
    this.#last = this.#element.lastElementChild;
    this.#table = this.#last?.matches(".table") ? openTable(this.#last) : null;
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
