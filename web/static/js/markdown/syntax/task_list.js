/** The boxes of task lists: items that begin with `[ ]` or `[x]`. */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").Token} Token */

const BOX = /^\[([ xX])\][ \t]+(?=\S)/;

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function taskLists(md) {
  md.renderer.rules["task_box"] = (tokens, index) =>
    `<input ${tokens[index]?.info ? 'checked="" ' : ""}disabled="" type="checkbox"> `;
}

/**
 * Takes the box from the text of an item.
 *
 * @param {Token[]} tokens of blocks
 * @param {number} index of a token with inline content
 * @returns {Token | null} the box
 */
export function takeTaskBox(tokens, index) {
  const inline = tokens[index];
  if (!inline || tokens[index - 1]?.type !== "paragraph_open" || tokens[index - 2]?.type !== "list_item_open") return null;
  const [opening, mark] = BOX.exec(inline.content) ?? [];
  if (!opening) return null;
  inline.content = inline.content.slice(opening.length);
  const box = new (/** @type {any} */ (inline).constructor)("task_box", "input", 0);
  box.info = mark === " " ? "" : "x";
  return box;
}
