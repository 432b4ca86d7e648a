/**
 * Bare addresses in a text: `https://...`, `www....` and `name@example.org`. An address ends at a space, at quotation
 * marks, at punctuation that is not ASCII, such as `，` or `،`, at fullwidth forms, at a bracket that closes nothing in it,
 * and before punctuation that ends the sentence. In text without spaces it also ends where CJK letters follow an ASCII letter or digit.
 */

/** @typedef {import("markdown-it").MarkdownIt} MarkdownIt */
/** @typedef {import("markdown-it").StateInline} StateInline */

/** Up to a character with a meaning. Bounded, because the rest is read again after each address in it. */
const TEXT = /[^\n!#$%&*+\-:<=>@[\\\]^_`{}~]{1,500}/y;
const WWW = /(?<![\p{L}\p{N}_.-])www\.(?=[\p{L}\p{N}])/iu;
const ADDRESS = /(?:[!#-;=?-[\]^_a-z{}~]|[^\0-\xa0\s\p{P}\u2e80-\u2eff\u3000-\u303f\ufe30-\ufe4f\uff00-\uffef]){1,2000}/uy;
const CJK = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}";
const CJK_AFTER_ASCII = new RegExp(`(?<=[A-Za-z0-9])[${CJK}]`, "u");
const HOST = /^(?:[^\s/@:?#]+@)?[\p{L}\p{N}][\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+)*\.?(?::\d{1,5})?(?=[/?#]|$)/u;
const SCHEME = /(?:https?|ftp)$/i;
const LOCAL_PART = /[A-Za-z0-9][A-Za-z0-9._+-]*$/;
const MAIL_HOST = /[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+(?![\w-])/y;
const MAX_MAIL = 254;

/** For markdown-it's `use`. @param {MarkdownIt} md */
export function bareLinks(md) {
  md.inline.ruler.at("text", text);
  md.inline.ruler.at("linkify", bareLink);
}

/**
 * @param {StateInline} state
 * @param {boolean} silent
 */
function text(state, silent) {
  TEXT.lastIndex = state.pos;
  const match = TEXT.exec(state.src)?.[0].slice(0, state.posMax - state.pos) ?? "";
  const www = /www\./i.test(match) ? match.search(WWW) : -1;
  const length = www > 0 ? www : www === 0 && isWww(state) ? 0 : match.length;
  if (length === 0) return false;
  if (!silent) state.pending += match.slice(0, length);
  state.pos += length;
  return true;
}

/** @param {StateInline} state */
function isWww(state) {
  return !/[\p{L}\p{N}_.-]$/u.test(state.pending.slice(-2)) && addressAt(state, state.pos, state.pos) !== "";
}

/**
 * @param {StateInline} state
 * @param {boolean} silent
 */
function bareLink(state, silent) {
  if (silent || state.linkLevel > 0) return false;
  const { src, pos } = state;
  const character = src.charAt(pos);
  if (character === ":" && src.startsWith("://", pos)) {
    const scheme = SCHEME.exec(state.pending.slice(-6))?.[0] ?? "";
    const before = state.pending.slice(0, state.pending.length - scheme.length).slice(-1);
    const address = scheme && !/[A-Za-z0-9+.-]/.test(before) ? addressAt(state, pos - scheme.length, pos + 3) : "";
    return push(state, scheme.length, address, address);
  }
  if ((character === "w" || character === "W") && /^www\./i.test(src.slice(pos, pos + 4))) {
    const address = isWww(state) ? addressAt(state, pos, pos) : "";
    return push(state, 0, address, `https://${address}`);
  }
  if (character === "@") {
    const local = LOCAL_PART.exec(state.pending.slice(-64))?.[0] ?? "";
    MAIL_HOST.lastIndex = pos + 1;
    const host = local && MAIL_HOST.exec(src.slice(0, Math.min(state.posMax, pos + MAX_MAIL)))?.[0];
    return host ? push(state, local.length, `${local}@${host}`, `mailto:${local}@${host}`) : false;
  }
  return false;
}

/**
 * @param {StateInline} state
 * @param {number} pendingLength how many characters of the address are in the pending text
 * @param {string} shown
 * @param {string} href
 * @returns {boolean} whether there is a link
 */
function push(state, pendingLength, shown, href) {
  if (shown.length <= pendingLength) return false;
  state.pending = state.pending.slice(0, state.pending.length - pendingLength);
  state.push("link_open", "a", 1).attrs = [["href", href]];
  state.push("text", "", 0).content = shown;
  state.push("link_close", "a", -1);
  state.pos += shown.length - pendingLength;
  return true;
}

/**
 * @param {StateInline} state
 * @param {number} start
 * @param {number} hostStart
 * @returns {string} the address; empty if there is none
 */
function addressAt({ src, posMax }, start, hostStart) {
  ADDRESS.lastIndex = hostStart;
  let rest = ADDRESS.exec(src)?.[0].slice(0, posMax - hostStart) ?? "";
  const end = rest.search(/\*\*|~~|\]\(/);
  if (end >= 0) rest = rest.slice(0, end);
  const foreign = CJK_AFTER_ASCII.exec(rest)?.index ?? -1;
  if (foreign >= 0) rest = rest.slice(0, foreign);
  rest = withoutClosing(rest);
  return HOST.test(rest) ? src.slice(start, hostStart) + rest : "";
}

/**
 * Removes brackets that close nothing in the address, what follows them, and punctuation at the end.
 * @param {string} address
 */
function withoutClosing(address) {
  /** @type {string[]} */
  const open = [];
  let end = address.length;
  for (let at = 0; at < address.length; at++) {
    const character = address.charAt(at);
    if ("([{".includes(character)) open.push({ "(": ")", "[": "]", "{": "}" }[character] ?? "");
    else if (")]}".includes(character) && open.pop() !== character) {
      end = at;
      break;
    }
  }
  while (end > 0 && "?!.,:;*_~'$([{".includes(address.charAt(end - 1))) end--;
  return address.slice(0, end);
}
