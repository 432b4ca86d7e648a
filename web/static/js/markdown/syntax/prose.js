/** Tells mathematics from prose between dollars or brackets: amounts of money, shell variables, escaped brackets. */

const TEXT_GROUP =
  /\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|bb|cal|frak|scr)|operatorname|mbox|hbox|label|tag|begin|end|color|textcolor)\*?\s*\{[^{}]*\}/g;
/** Commands with an address, which are refused later: then the formula is shown as its source, whole. */
const ADDRESS_GROUP = /\\(?:href|url|includegraphics)\s*(?:\[[^[\]]*\]\s*)?\{[^{}]*\}(?:\s*\{[^{}]*\})?/g;
const COMMAND = /\\(?:[A-Za-z]+|[^])/g;
const EVIDENCE = /\\[A-Za-z]|\^|_\{|_[A-Za-z0-9](?![A-Za-z])/;
const FUNCTIONS =
  /\b(?:sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|lg|exp|min|max|sup|inf|lim|mod|gcd|lcm|det|dim|ker|deg|arg|dx|dy|dz|dt|du|dv)\b/g;
const AMOUNT = /^[\d.,]+(?:\s+|\s*[/–—-]\s*)[A-Za-z]{2,}/; // "10/month", "5 per user"
const FUNCTION_WORD = /\b(?:and|or|the|is|are|for|to|of|with|per|each|then|but|vs|from|at|by)\b/i;
const WORDS = /[A-Za-z]{2,}[,.;:]?\s+[A-Za-z]{2,}/;
const MANY_WORDS = /[A-Za-z]{2,}(?:[,.;:]?\s+[A-Za-z]{2,}){3,}/;
const WIDE_PUNCTUATION = /[\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”]/;
const LOWER_CASE_WORD = /[A-Za-z]*[a-z]{3,}/;
const NAME = /[\p{L}\p{N}\\]/u;
/** "the sign is $+$", "$($ leaves the end out". `$~$` would show nothing, and `$...$` is how formulas are written. */
const SIGN = /^(?:(?!~)[\p{Sm}*/!?:∅°′-]{1,3}|[()[\]]|\([+-]\))$/u;
/** Fewer: `\(*\)`, `\(!\)` and `\(?\)` are escaped. */
const SIGN_IN_PARENTHESES = /^ *(?:(?![|~])[\p{Sm}-]){1,2} *$/u;

/**
 * @param {string} tex the content of `$...$`
 * @returns {boolean} whether it is more likely prose
 */
export function isProseBetweenDollars(tex) {
  if (SIGN.test(tex)) return false;
  if (/[`"]/.test(tex) || withoutTexts(tex).includes("://") || !NAME.test(tex) || !isBalanced(tex)) return true;
  const plain = withoutCommands(tex);
  const hasEvidence = EVIDENCE.test(tex);
  if (AMOUNT.test(plain) && !/\\[A-Za-z]/.test(tex)) return true;
  if (WIDE_PUNCTUATION.test(plain)) return true;
  if (hasEvidence) return MANY_WORDS.test(plain);
  if (WORDS.test(plain) || FUNCTION_WORD.test(plain)) return true;
  if (/\p{Script=Han}/u.test(plain)) return !/[=+]/.test(plain);
  return /^\([a-z]{2,}[^()]*\)$/.test(tex); // $(command)
}

/**
 * @param {string} tex the content of `\(...\)`
 * @returns {boolean} whether it is more likely prose, such as `\(optional\)`
 */
export function isProseBetweenParentheses(tex) {
  return !SIGN_IN_PARENTHESES.test(tex) && isProseBetweenBrackets(tex);
}

/**
 * @param {string} tex the content of `$$...$$` or `\[...\]`
 * @returns {boolean} whether it is more likely prose, such as `\[citation needed\]`
 */
export function isProseBetweenBrackets(tex) {
  if (!NAME.test(tex)) return true;
  if (EVIDENCE.test(tex) || /[=+<>≤≥≈∈]/.test(tex)) return false;
  const plain = withoutCommands(tex);
  return WORDS.test(plain) || LOWER_CASE_WORD.test(plain) || WIDE_PUNCTUATION.test(plain);
}

/** @param {string} tex */
function withoutCommands(tex) {
  return withoutTexts(tex).replace(COMMAND, " ").replace(FUNCTIONS, " ").trim();
}

/** @param {string} tex */
function withoutTexts(tex) {
  return tex.replace(TEXT_GROUP, " ").replace(ADDRESS_GROUP, " ");
}

/** Half-open intervals such as [0, 1) count as balanced. @param {string} tex */
function isBalanced(tex) {
  let braces = 0;
  let brackets = 0;
  for (let at = 0; at < tex.length; at++) {
    const character = tex.charAt(at);
    if (character === "\\") at++;
    else if (character === "{") braces++;
    else if (character === "}") braces--;
    else if (character === "(" || character === "[") brackets++;
    else if (character === ")" || character === "]") brackets--;
    if (braces < 0 || brackets < 0) return /^\s*\]/.test(tex) && braces === 0; // ]0, 1[ is an interval, too
  }
  return braces === 0 && brackets === 0;
}
