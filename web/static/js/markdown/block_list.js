/**
 * The blocks of one answer in the page. Settled blocks are never changed again. The nodes after them are provisional:
 * the next part replaces them, changing only the nodes that differ.
 */

import { createCodeBlock } from "./code_block.js";
import { appendCode } from "./code_lines.js";
import { patchChildren } from "./patch.js";
import { mayBeExpected } from "./syntax/footnotes.js";
import { growingTable, renewCells, rowsToAppend } from "./table_block.js";
import { EXPECTED } from "./text_links.js";

/** @typedef {import("./markdown.js").Markdown} Markdown */
/** @typedef {import("./markdown_source.js").BlocksPart} BlocksPart */
/** @typedef {import("./markdown_source.js").CodePart} CodePart */
/** @typedef {import("./parser.js").Links} Links */
/** @typedef {import("./table_block.js").GrowingTable} GrowingTable */
/** @typedef {{ fragment: DocumentFragment, intoTable: DocumentFragment }} Rendered `intoTable` goes into the last table */

/**
 * @typedef {object} Unresolved
 * @property {string} source
 * @property {boolean} continues as in `BlocksPart`
 * @property {Map<string, Links[string] | undefined>} labels without a definition when the part was settled, and what defines them now
 * @property {boolean} isExpecting whether footnotes without a definition are shown as references
 * @property {GrowingTable | null} table before the part
 * @property {Element[]} nodes
 * @property {Element[]} intoTable
 */

/** Further blocks are in groups of so many: the browser visits each child of an element to which a block is appended. */
const GROUP = 500;
const LABEL = /\[(\^[^[\]]+|[^[\]]+(?=\](?!\()))\]/g; // `[^1](a remark)` may be a footnote, `[x](address)` is none

export class BlockList {
  #element;
  /** The last group of blocks, or the element. @type {Element} */
  #parent;
  #markdown;
  /** @type {Element | null} the last settled block */
  #last = null;
  /** @type {GrowingTable | null} `#last`, if it is a table */
  #table = null;
  /** @type {Element | null} */
  #code = null;
  /** Parts with link labels that had no definition. @type {Unresolved[]} */
  #unresolved = [];
  /** Those of them that were looked at since the last definition. @type {Unresolved[]} */
  #lookedAt = [];

  /**
   * @param {Element} element
   * @param {Markdown} markdown
   */
  constructor(element, markdown) {
    this.#element = this.#parent = element;
    this.#markdown = markdown;
    element.replaceChildren();
  }

  /**
   * Appends the next settled part.
   *
   * @param {BlocksPart | CodePart} part
   * @param {Links} links the definitions so far
   */
  settle(part, links) {
    if (part.kind === "code") return this.#settleCode(part);
    const { nodes, intoTable } = this.#update(part, { growing: false });
    const labels = this.#labelsOf(part).filter((label) => !links[label]);
    const isExpecting = part.blocks.some((block) => block.links[EXPECTED]);
    if (labels.length > 0) {
      const source = part.blocks.map(({ raw }) => raw).join("");
      const undefinedLabels = new Map(labels.map((label) => [label, undefined]));
      this.#unresolved.push({ source, continues: part.continues, labels: undefinedLabels, isExpecting, table: this.#table, nodes, intoTable });
    }
    this.#settleNodes();
  }

  /** Shows a provisional part after the settled ones. @param {BlocksPart | null} part null to remove it */
  show(part) {
    if (part) this.#update(part, { growing: true });
    else this.#patch({ fragment: new DocumentFragment(), intoTable: new DocumentFragment() });
  }

  /**
   * Renders parts again whose link labels were defined later, or whose footnotes were expected and did not come.
   *
   * @param {Links} links all definitions
   * @param {number} until as `performance.now()` counts
   * @returns {boolean} whether all parts are done; otherwise call it again
   */
  resolveLinks(links, until) {
    for (let next = this.#unresolved.shift(); next; next = this.#unresolved.shift()) {
      this.#lookedAt.push(next);
      const isExpecting = Boolean(links[EXPECTED]);
      const labels = [...next.labels.keys()];
      const hasWaited = next.isExpecting && !isExpecting && labels.some((label) => !links[label] && mayBeExpected(label));
      if (!hasWaited && !labels.some((label) => isOther(links[label], next.labels.get(label)))) continue;
      this.#renderAgain(next, links);
      next.isExpecting = isExpecting;
      for (const label of labels) next.labels.set(label, links[label]);
      if (performance.now() > until) return this.#unresolved.length === 0;
    }
    return true;
  }

  /** Lets `resolveLinks` look at all parts again, as there are new definitions. @returns {boolean} whether there are such parts */
  lookAgain() {
    if (this.#lookedAt.length > 0) this.#unresolved = [...this.#lookedAt.splice(0), ...this.#unresolved];
    return this.#unresolved.length > 0;
  }

  /**
   * @param {Unresolved} unresolved
   * @param {Links} links
   */
  #renderAgain(unresolved, links) {
    const { source, continues, table } = unresolved;
    const blocks = this.#markdown.blocks(source, Object.create(links));
    const { fragment, intoTable } = this.#render({ kind: "blocks", blocks, continues }, table);
    const shown = unresolved.nodes.at(-1);
    const last = fragment.lastElementChild;
    const rows = renewCells(unresolved.intoTable, [...intoTable.children]);
    if (shown?.matches(".table") && last?.matches(".table")) {
      rows.push(...renewCells([shown], [last]));
      last.remove();
      unresolved.nodes.pop();
      unresolved.nodes.forEach((node) => node.remove());
      unresolved.nodes = [...fragment.children, shown];
      shown.before(fragment);
    } else {
      const nodes = [...fragment.children];
      replace(unresolved.nodes, fragment);
      unresolved.nodes = nodes;
    }
    for (const element of [...unresolved.nodes, ...rows]) this.#markdown.enhance(element, { growing: false });
  }

  /** @param {CodePart} part */
  #settleCode({ begins, ends, language, text }) {
    if (begins) {
      const { figure, code } = createCodeBlock(language);
      const fragment = new DocumentFragment();
      fragment.append(figure);
      this.#patch({ fragment: new DocumentFragment(), intoTable: new DocumentFragment() });
      this.#parent.append(fragment);
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
    const nodes = elementsAfter(this.#last, this.#parent);
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
    patchChildren(this.#parent, fragment, nextSibling(this.#last, this.#parent));
  }

  /** @param {BlocksPart} part @returns {string[]} labels in it that may name a definition, normalised */
  #labelsOf({ blocks }) {
    return blocks.flatMap(({ type, raw }) =>
      type === "fence" || type === "code_block"
        ? []
        : Array.from(raw.matchAll(LABEL), ([, label = ""]) => this.#markdown.normaliseLabel(label)),
    );
  }

  /** Moves the blocks that are too many for the last group into further groups. */
  #group() {
    while (this.#parent.childElementCount > GROUP) {
      const group = document.createElement("div");
      group.className = "group";
      group.append(...[...this.#parent.children].slice(GROUP));
      this.#element.append(group);
      this.#parent = group;
    }
  }

  #settleNodes() {
    this.#group();
    this.#last = this.#parent.lastElementChild;
    this.#table = this.#last?.matches(".table") ? growingTable(this.#last) : null;
  }
}

/**
 * @param {Links[string] | undefined} definition
 * @param {Links[string] | undefined} shown
 */
function isOther(definition, shown) {
  return definition !== undefined && (definition.href !== shown?.href || definition.title !== shown.title);
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
