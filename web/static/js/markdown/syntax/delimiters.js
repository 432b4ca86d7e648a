/**
 * Which runs of `*`, `_` and `~` may open and close emphasis.
 *
 * By CommonMark's rules `**“重点”**的` is not strong, because no space separates the punctuation from the next letter.
 * Scripts without spaces between words need another rule: https://github.com/tats-u/markdown-cjk-friendly
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateInline} StateInline */

const UNSPACED =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\u3000-\u303f\uff00-\uffef]/u;
const LETTER = /[\p{L}\p{N}]/u;
const SENTENCE_MARK = /[:.!?"'”’]/;
const WORD = /[A-Za-z0-9]/;
const SPECIAL_NAME =
  /__(?:init|main|name|file|doc|str|repr|call|new|del|dict|class|all|version|slots|enter|exit|iter|next|len|getitem|setitem|getattr|setattr|eq|ne|lt|le|gt|ge|hash|bool|add|sub|mul|contains|proto|dirname|filename|typename|future|pycache|tests|mocks|post_init|aenter|aexit|await|annotations|module|qualname|import|builtins|cplusplus|attribute)__/y;

/**
 * @param {string} src
 * @param {number} at
 * @returns {string} the character before the index; empty at the start
 */
export function characterBefore(src, at) {
  const isPair = at > 1 && /[\udc00-\udfff]/.test(src.charAt(at - 1));
  return src.slice(Math.max(0, at - (isPair ? 2 : 1)), at);
}

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function delimiters(md) {
  md.inline.State = class extends md.inline.State {
    /** Whether a `**` after a space is open. */
    #hasOpenStrong = false;
    /** The last run and where it begins: two rules ask for each run. */
    #scanned = { can_open: false, can_close: false, length: 0 };
    #scannedAt = -1;

    /**
     * @param {number} start
     * @param {boolean} canSplitWord
     */
    scanDelims(start, canSplitWord) {
      if (this.#scannedAt !== start) this.#scanned = this.#scan(start, canSplitWord);
      this.#scannedAt = start;
      return this.#scanned;
    }

    /**
     * @param {number} start
     * @param {boolean} canSplitWord
     */
    #scan(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      if (!canSplitWord) return scanned;
      const before = characterBefore(this.src, start);
      const end = start + scanned.length;
      const after = end < this.posMax ? String.fromCodePoint(this.src.codePointAt(end) ?? 32) : "";
      const touchesSpace = !before.trim() || !after.trim();
      if (!touchesSpace && (UNSPACED.test(before) || UNSPACED.test(after))) scanned.can_open = scanned.can_close = true;
      // products and powers: 2*3*4, x**2 + y**2
      if (this.src.charAt(start) === "*" && /[A-Za-z0-9)\]]/.test(before) && WORD.test(after)) scanned.can_open = false;
      if (/\d/.test(before) && /\d/.test(after)) scanned.can_close = false;
      if (scanned.length !== 2) return scanned;
      // "**Note:**text": models forget the space that CommonMark asks for
      if (this.#hasOpenStrong && SENTENCE_MARK.test(before) && LETTER.test(after)) {
        scanned.can_open = false;
        scanned.can_close = true;
      }
      this.#hasOpenStrong = scanned.can_open && !before.trim();
      return scanned;
    }
  };
  md.inline.ruler.before("strikethrough", "literal_delimiters", (state, silent) => {
    const marker = state.src.charAt(state.pos);
    if (silent || (marker !== "*" && marker !== "_" && marker !== "~")) return false;
    const { can_open: canOpen, can_close: canClose, length } = state.scanDelims(state.pos, marker !== "_");
    SPECIAL_NAME.lastIndex = state.pos;
    const name = SPECIAL_NAME.exec(state.src)?.[0] ?? "";
    // snake_case, 2 * 3, __init__.py; and only `~~` strikes out
    const isText = name !== "" || (marker === "~" ? length !== 2 : !canOpen && !canClose);
    if (!isText) return false;
    const end = Math.min(state.posMax, state.pos + (name.length || length));
    state.pending += state.src.slice(state.pos, end);
    state.pos = end;
    return true;
  });
}
