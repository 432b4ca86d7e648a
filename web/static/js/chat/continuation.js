/**
 * Joins the rest of an answer to its beginning. A model that continues sends a new message: without the space or line
 * end before its first word, sometimes with the last words, the head of a table or the fence of a code block again.
 */

const LOOKBACK = 400; // characters at the end of the beginning that a model may repeat
const WORD_END = /[\p{L}\p{N}\p{M}]+$/u;
const WORD_START = /^[\p{L}\p{N}\p{M}]+/u;
/** Scripts that write no spaces, or whose spaces cannot be told from here. */
const WITHOUT_SPACES =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}\u3000-\u303f\uff00-\uffef]/u;
const BLOCK = /^(?:[-*+] |\d{1,9}[.)] |#{1,6} |> ?|\||`{3}|~{3}|\$\$|---+\s*$)/m;
const PERHAPS_BLOCK = /^(?:\s+|[-*+]|\d{1,9}[.)]?|#{1,6}|>|`{1,2}|~{1,2}|\$|--+)$/;
/** An address of the web or of e-mail at the end. */
const ADDRESS = /(?:[a-z]:\/\/|www\.|[^\s@]@)\S*$/i;
const PLAIN_WORD = /^[\p{L}\p{M}]+[.,;:!?)\]"”’]*$/u;
/** What opens mathematics, and what closes it. */
const MATHEMATICS = [["\\[", "\\]"], ["\\(", "\\)"], ["\\begin{", "\\end{"]];
/** A complete one: what is in it opens nothing. */
const CODE_SPAN = /(?<!`)(`+)(?!`)[^]*?[^`]\1(?!`)/g;
const LIST_LINE = /^\s*(?:[-*+]|\d{1,9}[.)])\s/;

// Words that are rarely the beginning of a longer one, and words that are rarely the end of one.
const WHOLE = words(
  "a an the this that these those of to from with and or but nor if then than when while which who whose what where how why is are was were be been has have had does did will would can could should may might must not its their your our his her my we they you he she it at by as for all some any each every both more most such only also very just",
);
const FOLLOWING = words(
  "the this that these those of to from with and but if then than when while which who whose what where how why are was were been has have had does did will would could should might must not its their your our his they you we for because through between without within about into",
);
const PREFIX = words("inter intra sub super trans anti multi micro macro auto un re pre non de dis mis co con com pro per para poly semi pseudo hyper infra ultra extra");
const SUFFIX =
  /^(?:s|es|d|ed|ing|ings|ly|er|ers|est|al|ally|able|ably|ible|ibly|ment|ments|ness|ity|ities|ous|ously|ive|ively|ize[ds]?|izing|ise[ds]?|ising|ation|ations|tion|tions|ion|ions|sion|sions|ued|ues|uing|ied|ies|ying|ence|ences|ance|ances|ward|wards|ful|fully|less|ship|hood|ism|ist|ists|th|st|nd|rd|n't|ght|tional|ctional|cted|cting|ated|ating)$/i;

/**
 * @param {string} before the beginning
 * @param {string} rest what has arrived of the rest
 * @param {boolean} isAll whether the rest is complete
 * @returns {string | null} what to append to the beginning; null until more of the rest tells
 */
export function joinAnswer(before, rest, isAll) {
  if (rest === "" || before === "") return isAll || before === "" ? rest : null;
  if (!isAll && (mayRepeat(before, rest) || PERHAPS_BLOCK.test(rest))) return null;
  const repeated = repetition(before, rest);
  if (repeated > 0) return rest.slice(repeated);
  const fence = openFence(before);
  if (fence) return joinCode(before, rest, fence, isAll);
  const table = joinTable(before, rest, isAll);
  if (table !== undefined) return table;
  const block = joinBlock(before, rest);
  if (block !== null) return block;
  const word = WORD_START.exec(rest)?.[0] ?? "";
  const mayGoOn = word === rest || (endsInAddress(before) && !/\s/.test(rest));
  if (!isAll && mayGoOn && rest.length < 40) return null;
  return (needsSpace(before, rest, word) ? " " : "") + (/\s$/.test(before) ? rest.replace(/^ (?=\S)/, "") : rest);
}

/**
 * @param {string} before
 * @returns {number[]} where words and lines begin in its last characters, the earliest first
 */
function beginnings(before) {
  const from = Math.max(0, before.length - LOOKBACK);
  const found = [];
  for (let at = from; at < before.length; at++) {
    const previous = before[at - 1] ?? "\n";
    if (!/[\p{L}\p{N}\p{M}_]/u.test(previous) || WITHOUT_SPACES.test(before[at] ?? "")) found.push(at);
  }
  return found;
}

/**
 * @param {string} before
 * @param {string} rest
 * @returns {boolean} whether the rest may turn out to begin with the last words of the beginning
 */
function mayRepeat(before, rest) {
  return rest.length < LOOKBACK && beginnings(before).some((at) => before.length - at > rest.length && before.startsWith(rest, at));
}

/**
 * @param {string} before
 * @param {string} rest
 * @returns {number} how many characters at the start of the rest are the last ones of the beginning again
 */
function repetition(before, rest) {
  const line = before.lastIndexOf("\n") + 1;
  const isCode = openFence(before) !== null;
  for (const at of beginnings(before)) {
    const end = before.slice(at);
    if (!rest.startsWith(end)) continue;
    const weight = end.replace(/\s/g, "").length;
    const isWholeLine = at === line && weight >= 3;
    const endsWord = !/[\p{L}\p{N}\p{M}]/u.test(rest[end.length] ?? "") || !WORD_END.test(end);
    // short ends may be there twice by right: "had had", `end` after `end`
    if (isWholeLine || weight >= 12 || (!isCode && weight >= 4 && (endsWord || weight >= 6) && !WITHOUT_SPACES.test(end))) return end.length;
  }
  return 0;
}

/**
 * @param {string} text
 * @returns {{ marker: string, language: string } | null} the fence of the code block that is open at the end
 */
export function openFence(text) {
  /** @type {{ marker: string, language: string } | null} */
  let open = null;
  for (const line of text.split("\n")) {
    const [, marker = "", info = ""] = /^\s*(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (!marker || (marker.startsWith("`") && info.includes("`"))) continue;
    if (!open) open = { marker, language: info.trim() };
    else if (info.trim() === "" && marker.startsWith(open.marker)) open = null;
  }
  return open;
}

/**
 * @param {string} before
 * @param {string} rest
 * @param {{ marker: string, language: string }} fence of the open block
 * @param {boolean} isAll
 */
function joinCode(before, rest, fence, isAll) {
  const text = rest.replace(/^\n+(?=[`~]{3})/, "");
  const isFence = /^(?:`{1,2}$|~{1,2}$|`{3,}|~{3,})/.test(text);
  if (isFence && !isAll && !text.includes("\n")) return null;
  const onNewLine = before.endsWith("\n") ? "" : "\n";
  if (!isFence) {
    // "Here is the rest:" before a fence: the remark is no code
    const remark = /^[^\n]{1,200}:\s*\n+([`~]{3,})[^\n`]*\n/.exec(rest);
    if (remark) return `${onNewLine}${fence.marker}\n\n${rest}`;
    if (!isAll && rest.length < LOOKBACK && /^[^\n]{0,200}(?::\s*\n*[`~]*[^\n`]*)?$/.test(rest)) return null;
    return rest;
  }
  const [line = "", , info = ""] = /^([`~]+)([^\n]*)(?:\n|$)/.exec(text) ?? [];
  if (info.trim() === "") return onNewLine + text; // it closes the block
  const code = text.slice(line.length);
  if (code === "" && !isAll) return null;
  if (!isAll && mayRepeat(before, code)) return null;
  const repeated = repetition(before, code);
  if (repeated > 0) return code.slice(repeated);
  return (/^\s|^$/.test(code) || /[;{}:,)\]>]$/.test(before) ? onNewLine : "") + code;
}

/**
 * @param {string} before
 * @param {string} rest
 * @param {boolean} isAll
 * @returns {string | null | undefined} undefined if no table goes on
 */
function joinTable(before, rest, isAll) {
  const lines = before.trimEnd().split("\n");
  let first = lines.length;
  while (first > 0 && lines[first - 1]?.trimStart().startsWith("|")) first--;
  const [head, rule, ...rows] = lines.slice(first);
  if (!head || !rule || !/^[\s|:-]+$/.test(rule)) return undefined;
  const header = `${head}\n${rule}`;
  const start = rest.trimStart();
  if (!isAll && start.length < header.length && header.startsWith(start)) return null;
  const again = start.startsWith(header) ? start.slice(header.length).replace(/^\s*\n/, "") : rest;
  if (!again.startsWith("|")) return again === rest ? undefined : again;
  if (before.endsWith("\n")) return again;
  const last = rows.at(-1) ?? rule;
  const isComplete = cells(last) >= cells(rule) && last.trimEnd().endsWith("|");
  return (isComplete ? "\n" : " ") + again;
}

/** @param {string} row */
function cells(row) {
  return row.split(/(?<!\\)\|/).length;
}

/**
 * @param {string} before
 * @param {string} rest
 * @returns {string | null} null if the rest does not begin with a block of its own
 */
function joinBlock(before, rest) {
  if (!BLOCK.test(rest.split("\n", 1)[0] ?? "") || before.endsWith("\n")) return null;
  const last = before.slice(before.lastIndexOf("\n") + 1);
  if (/^[-+*] |^> ?/.test(rest) && !LIST_LINE.test(last) && !last.startsWith(">") && /[\p{L}\p{N},]$/u.test(last)) return null; // a dash in a sentence
  return (LIST_LINE.test(last) && LIST_LINE.test(rest) ? "\n" : "\n\n") + rest;
}

/**
 * @param {string} before
 * @param {string} rest
 * @param {string} word the first of the rest; empty if it begins otherwise
 */
function needsSpace(before, rest, word) {
  const last = [...before.slice(-2)].at(-1) ?? "";
  const first = [...rest.slice(0, 2)][0] ?? "";
  if (/\s/.test(last) || /\s/.test(first) || WITHOUT_SPACES.test(last) || WITHOUT_SPACES.test(first)) return false;
  const paragraph = before.slice(before.lastIndexOf("\n\n") + 1).replace(CODE_SPAN, "``").replaceAll("\\\\", "");
  if (isInside(paragraph, "`") || isInside(paragraph, "$") || isInside(paragraph, "$$")) return false;
  if (MATHEMATICS.some(([open = "", close = ""]) => paragraph.lastIndexOf(open) > paragraph.lastIndexOf(close))) return false;
  if (/^\s*(?:[-*+]|\d{1,9}[.)]|#{1,6})$/.test(before.slice(before.lastIndexOf("\n") + 1))) return true; // "2." "Two"
  if (word === "") return /[\p{L}\p{N}.,;:!?]/u.test(last) && (/^[(\[“‘–—&]/.test(rest) || (/^(?:\*\*|`|\$)/.test(rest) && !isInside(paragraph, "**")));
  const end = WORD_END.exec(before.slice(-60))?.[0] ?? ""; // bounded: the expression is quadratic
  if (end === "") {
    if (/[,;:!?]/.test(last)) return !(/\d[,:]$/.test(before) && /^\d/.test(word)) && !/:\/\/?$/.test(before);
    if (last === ".") return /^\p{Lu}/u.test(word) || /\.\.$/.test(before);
    return /[)\]”’…"]/.test(last) || (/\*\*$|`$|\$$/.test(before) && !isInside(paragraph.slice(0, -1), "*"));
  }
  if (endsInAddress(before)) {
    const isPlain = PLAIN_WORD.test(/^\S*/.exec(rest)?.[0] ?? "");
    return isPlain && (/^\p{Lu}/u.test(word) || WHOLE.has(word) || FOLLOWING.has(word));
  }
  if (/\d$/.test(end) || /^\d/.test(word)) return !/\d$/.test(end) ? end.length > 2 && !/^\d/.test(end) : !/^\d/.test(word) && word.length > 2 && !SUFFIX.test(word);
  if (/\p{Ll}$/u.test(end) && /^\p{Lu}/u.test(word)) return true;
  if (/^\p{Lu}+$/u.test(end) && /^\p{Lu}+$/u.test(word)) return end.length > 1 && word.length > 1;
  const known = new Set(before.slice(0, -end.length).toLowerCase().match(/[\p{L}\p{M}]+/gu));
  const [one, two] = [end.toLowerCase(), word.toLowerCase()];
  if (known.has(one + two)) return false;
  if (WHOLE.has(one) || FOLLOWING.has(two)) return true;
  if (PREFIX.has(one) || SUFFIX.test(two)) return false;
  return true; // most answers stop between two words
}

/** @param {string} before */
function endsInAddress(before) {
  return ADDRESS.test(before.slice(-LOOKBACK));
}

/**
 * @param {string} paragraph
 * @param {string} mark
 * @returns {boolean} whether an odd number of marks stands in it
 */
function isInside(paragraph, mark) {
  return paragraph.split(mark).length % 2 === 0;
}

/** @param {string} list */
function words(list) {
  return new Set(list.split(" "));
}

/** The rest of one answer while it arrives. */
export class Continuation {
  #before;
  #rest = "";
  #isJoined = false;

  /** @param {string} before the beginning of the answer */
  constructor(before) {
    this.#before = before;
  }

  /** Whether the rest is joined, so that all of its text is in the answer. */
  get isJoined() {
    return this.#isJoined;
  }

  /** Whether text has arrived that is not in the answer yet. */
  get isWaiting() {
    return !this.#isJoined && this.#rest !== "";
  }

  /**
   * @param {string} text the next part of the rest
   * @param {boolean} isLast
   * @returns {string} what to append to the answer now
   */
  push(text, isLast) {
    if (this.#isJoined) return text;
    this.#rest += text;
    const joined = joinAnswer(this.#before, this.#rest, isLast);
    if (joined === null) return "";
    this.#isJoined = true;
    return joined;
  }
}
