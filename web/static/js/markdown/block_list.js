/**
 * The blocks of one answer in the page. Settled blocks are never changed again. The nodes after them are provisional:
 * the next part replaces them, changing only the nodes that differ.
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
/** @typedef {{ fragment: DocumentFragment, intoTable: DocumentFragment }} Rendered `intoTable` goes into the last table */

const LABEL = /\[([^[\]]+)\](?!\()/g;

export class BlockList {
  #element;
  #markdown;
  /** @type {Element | null} the last settled block */
  #last = null;
  /** @type {GrowingTable | null} `#last`, if it is a table */
  #table = null;
  /** @type {Element | null} */
  #code = null;
  /** @type {{ part: BlocksPart, table: GrowingTable | null, nodes: Element[], intoTable: Element[] }[]} parts with
   *  link labels that have no definition yet */
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

  /** Appends the next settled part. @param {BlocksPart | CodePart} part */
  settle(part) {
    if (part.kind === "code") return this.#settleCode(part);
    const { nodes, intoTable } = this.#update(part, { growing: false });
    if (labelsOf(part).some((label) => !part.links[label])) {
      this.#unresolved.push({ part, table: this.#table, nodes, intoTable });
    }
    this.#settleNodes();
  }

  /** Shows a provisional part after the settled ones. @param {BlocksPart | null} part null to remove it */
  show(part) {
    if (part) this.#update(part, { growing: true });
    else this.#patch({ fragment: new DocumentFragment(), intoTable: new DocumentFragment() });
  }

  /** Renders parts again whose link labels were defined later. @param {Links} links all definitions */
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
   * @param {GrowingTable | null} table the table before the part
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

/** Writes a label as marked stores the labels of definitions. @param {string} label */
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
