/**
 * The blocks of one answer in the page. What is settled is left alone from then on; behind it stand the nodes that
 * are shown for the moment, which the next part replaces by changing only what differs.
 */

import { createCodeBlock } from "./code_block.js";
import { appendCode } from "./code_lines.js";
import { patchChildren } from "./patch.js";
import { growingTable, rowsToAppend } from "./table_block.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */
/** @typedef {import("marked").Links} Links */
/** @typedef {import("./table_block.js").GrowingTable} GrowingTable */
/** @typedef {{ fragment: DocumentFragment, intoTable: DocumentFragment }} Rendered intoTable: what the last table takes in */

const LABEL = /\[([^[\]]+)\](?!\()/g;

export class BlockList {
  #element;
  #markdown;
  /** @type {Element | null} the last settled block */
  #last = null;
  /** @type {GrowingTable | null} the table that it is */
  #table = null;
  /** @type {Element | null} */
  #code = null;
  /** @type {{ part: BlocksPart, table: GrowingTable | null, nodes: Element[], intoTable: Element[] }[]} parts with labels
   *  that nothing defines yet */
  #unresolved = [];

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
    const { nodes, intoTable } = this.#update(part, { growing: false });
    if (labelsOf(part).some((label) => !part.links[label])) {
      this.#unresolved.push({ part, table: this.#table, nodes, intoTable });
    }
    this.#settleNodes();
  }

  /** @param {BlocksPart | null} part what stands behind the settled ones for now */
  show(part) {
    if (part) this.#update(part, { growing: true });
    else this.#patch({ fragment: new DocumentFragment(), intoTable: new DocumentFragment() });
  }

  /** Renders what a later definition has changed. @param {Links} links all that there are */
  resolveLinks(links) {
    /** @type {Element[]} */
    const replaced = [];
    for (const { part, table, nodes, intoTable } of this.#unresolved) {
      if (!labelsOf(part).some((label) => links[label] && !part.links[label])) continue;
      const source = part.blocks.map(({ raw }) => raw).join("");
      const rendered = this.#render({ ...part, blocks: this.#markdown.blocks(source, { ...links }) }, table);
      for (const element of [...rendered.fragment.children, ...rendered.intoTable.children]) replaced.push(element);
      replace(nodes, rendered.fragment);
      replace(intoTable, rendered.intoTable);
    }
    this.#unresolved = [];
    for (const element of replaced) this.#markdown.enhance(element, { growing: false });
  }

  /** @param {CodePart} part */
  #settleCode({ begins, ends, language, text }) {
    if (begins) {
      const { figure, code } = createCodeBlock(language);
      const fragment = new DocumentFragment();
      fragment.append(figure);
      this.#patch({ fragment: new DocumentFragment(), intoTable: new DocumentFragment() });
      this.#element.append(fragment);
      this.#code = code;
      this.#settleNodes();
    }
    if (!this.#code) return;
    appendCode(this.#code, text);
    this.#markdown.highlight(this.#code, { growing: !ends });
    if (ends) this.#code = null;
  }

  /**
   * @param {BlocksPart} part
   * @param {{ growing: boolean }} state
   */
  #update(part, state) {
    this.#patch(this.#render(part, this.#table));
    const nodes = elementsAfter(this.#last, this.#element);
    const intoTable = this.#table ? elementsAfter(this.#table.last, this.#table.container) : [];
    for (const element of [...intoTable, ...nodes]) this.#markdown.enhance(element, state);
    return { nodes, intoTable };
  }

  /**
   * @param {BlocksPart} part
   * @param {GrowingTable | null} table before it
   * @returns {Rendered}
   */
  #render({ blocks, continues }, table) {
    const fragment = this.#markdown.render(blocks);
    const intoTable = new DocumentFragment();
    const first = fragment.firstElementChild;
    if (continues && first && table) {
      intoTable.append(rowsToAppend(table, first));
      first.remove();
    } else if (continues && first) {
      first.classList.add("continued");
    }
    return { fragment, intoTable };
  }

  /** @param {Rendered} rendered */
  #patch({ fragment, intoTable }) {
    if (this.#table) patchChildren(this.#table.container, intoTable, nextSibling(this.#table.last, this.#table.container));
    patchChildren(this.#element, fragment, nextSibling(this.#last, this.#element));
  }

  #settleNodes() {
    this.#last = this.#element.lastElementChild;
    this.#table = this.#last?.matches(".table") ? growingTable(this.#last) : null;
  }
}

/** @param {BlocksPart} part */
function labelsOf({ blocks }) {
  return blocks.flatMap(({ type, raw }) =>
    type === "code" || type === "def" ? [] : Array.from(raw.matchAll(LABEL), ([, label = ""]) => normaliseLabel(label)),
  );
}

/** As marked keeps the labels of definitions. @param {string} label */
function normaliseLabel(label) {
  return label.toLowerCase().replace(/\s+/g, " ");
}

/**
 * @param {ChildNode | null} node
 * @param {Element} parent
 */
function nextSibling(node, parent) {
  return node ? node.nextSibling : parent.firstChild;
}

/**
 * @param {ChildNode | null} node
 * @param {Element} parent
 */
function elementsAfter(node, parent) {
  const elements = [];
  for (let next = nextSibling(node, parent); next; next = next.nextSibling) if (next instanceof Element) elements.push(next);
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
