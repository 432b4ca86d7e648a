/**
 * Writes the formulas of a text as they are read, where a line has room for letters only: "∵ AB = AC", "n(H₂SO₄) = 2/3".
 * They are found by simpler rules than in answers, whose `FormulaScanner` is loaded with what draws them.
 */

/** Code, which stays as it is, or a formula. What a price begins, as in "$5 and $6", ends before no letter or digit. */
const FORMULA =
  /(`+)(?!`)[^]*?[^`]\1(?!`)|\$\$([^$]+)\$\$|\\\[([^]+?)\\\]|\\\(([^]+?)\\\)|(?<![\w$\\])\$(?=\S)([^$\n]*[^\s$\\])\$(?![\w$])/g;
/** "$HOME, $PATH": a formula with words has a command or an index, too. And `$...$` is how formulas are written. */
const PROSE = /^[^\\^_{}]*(?:[a-z]{3}|[A-Za-z]{2}\s+[A-Za-z]{2})[^\\^_{}]*$|^\.{3}$/;
const ENVIRONMENT = /\\(?:begin|end)\{[a-z]+\*?\}(?:\{[lcr|]*\})?/gi;
const TEXT_GROUP = /\\(?:text|math|operatorname|mbox|boxed|overline|vec|hat|bar)[a-z]*\*?\s*\{([^{}]*)\}/g;
const FRACTION = /\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g;
const ROOT = /\\sqrt\s*\{([^{}]*)\}/g;
const SPACING = /\\(?:left|right|big|Big|displaystyle|limits|nolimits)(?![A-Za-z])|\\[,;:! ]|\\q?quad(?![A-Za-z])|~/g;
const NESTED = 4; // groups within groups: more are seldom, and keep their commands' names
/** What is read for the names of commands; of others, the name is read. */
const SIGNS = new Map(
  Object.entries({
    times: "×", cdot: "·", div: "÷", pm: "±", mp: "∓", le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠", approx: "≈",
    equiv: "≡", sim: "∼", cong: "≅", propto: "∝", to: "→", rightarrow: "→", leftarrow: "←", Rightarrow: "⇒", implies: "⇒",
    Leftrightarrow: "⇔", iff: "⇔", rightleftharpoons: "⇌", nearrow: "↗", searrow: "↘", infty: "∞", sum: "∑", prod: "∏", int: "∫",
    partial: "∂", nabla: "∇", sqrt: "√", in: "∈", notin: "∉", subset: "⊂", subseteq: "⊆", cup: "∪", cap: "∩", emptyset: "∅",
    varnothing: "∅", forall: "∀", exists: "∃", because: "∵", therefore: "∴", angle: "∠", triangle: "△", perp: "⊥", parallel: "∥",
    circ: "°", dots: "…", ldots: "…", cdots: "…", prime: "′", alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε",
    varepsilon: "ε", theta: "θ", lambda: "λ", mu: "μ", nu: "ν", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ", varphi: "φ",
    chi: "χ", psi: "ψ", omega: "ω", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Sigma: "Σ", Phi: "Φ", Omega: "Ω",
  }),
);

/**
 * @param {string} text Markdown, of which the time that this takes is in proportion to the square of its length
 * @returns {string} with its formulas as they are read
 */
export function withFormulasAsText(text) {
  return text.replace(FORMULA, (whole, code, display, brackets, parentheses, dollars) => {
    if (code || (dollars && PROSE.test(dollars))) return whole;
    return asText(display ?? brackets ?? parentheses ?? dollars);
  });
}

/** @param {string} formula without its delimiters */
function asText(formula) {
  let text = formula.replace(ENVIRONMENT, " ").replace(SPACING, " ");
  for (let depth = 0; depth < NESTED; depth++) {
    text = text
      .replace(TEXT_GROUP, "$1")
      .replace(FRACTION, (_, above, below) => `${term(above)}/${term(below)}`)
      .replace(ROOT, (_, under) => `√${term(under)}`)
      .replace(/([_^])\{([^{}]*)\}/g, (_, mark, index) => (index.length > 1 ? `${mark}(${index})` : mark + index));
  }
  return text
    .replace(/\\\\/g, "; ")
    .replace(/\\([A-Za-z]+)/g, (_, name) => SIGNS.get(name) ?? name)
    .replace(/\^\(?\s*°\s*\)?/g, "°")
    .replace(/\^([0-9])/g, (_, digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".charAt(digit))
    .replace(/_([0-9])/g, (_, digit) => "₀₁₂₃₄₅₆₇₈₉".charAt(digit))
    .replace(/\\([^])/g, "$1")
    .replace(/[{}&]/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** @param {string} part of a fraction */
function term(part) {
  return /^[\p{L}\p{N}.]*$/u.test(part.trim()) ? part.trim() : `(${part.trim()})`;
}
