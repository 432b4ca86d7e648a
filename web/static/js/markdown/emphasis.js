/**
 * Emphasis next to letters and punctuation of any script. By CommonMark's rules `**“重点”**的` is not strong, because
 * there is no space between the punctuation and the next letter. Chinese has no such spaces, and models write this.
 */

const STRONG = /^\*\*(?![\s*])([^*\n]+)(?<!\s)\*\*(?!\*)/;

/** For marked's `use`. @type {import("marked").TokenizerAndRendererExtension} */
export const strong = {
  name: "strong",
  level: "inline",
  tokenizer(source) {
    const [raw, text] = STRONG.exec(source) ?? [];
    return raw && text ? { type: "strong", raw, text, tokens: this.lexer.inlineTokens(text) } : undefined;
  },
};

/** Marks Chinese emphasis for the style sheet: Chinese uses dots, not italics. @param {DocumentFragment} fragment */
export function markHanEmphasis(fragment) {
  for (const emphasis of fragment.querySelectorAll("em, i")) {
    if (/\p{Script=Han}/u.test(emphasis.textContent ?? "")) emphasis.className = "han";
  }
}
