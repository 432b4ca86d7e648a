/**
 * Emphasis beside letters and signs of any script, and in them. By CommonMark's rules `**“重点”**的` is not strong, because no
 * space stands between the sign and the next letter; Chinese has no such spaces, and models write it so.
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

/** Chinese is emphasised by dots and has no italics: a browser would slant its letters. @param {DocumentFragment} fragment */
export function markHanEmphasis(fragment) {
  for (const emphasis of fragment.querySelectorAll("em, i")) {
    if (/\p{Script=Han}/u.test(emphasis.textContent ?? "")) emphasis.className = "han";
  }
}
