/** Makes a link in an answer safe: only web and mail addresses, in a new tab, with the real host visible. */

const SCHEME = /^(?:https?:|mailto:)/i;
/** Invisible characters and direction overrides, which can make a link look like another one. */
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
/** A text that looks like an address. */
const ADDRESS = /^(?:https?:\/\/)?(?:[^\s/@]*@)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?=[:/?#]|$)/iu;

/** @param {Element} link */
export function makeLinkSafe(link) {
  const target = targetOf(link.getAttribute("href") ?? "");
  if (!target) {
    link.removeAttribute("href"); // relative addresses too: a model knows no page of this server
    link.removeAttribute("title");
    return;
  }
  link.setAttribute("target", "_blank");
  link.setAttribute("rel", "noopener noreferrer");
  link.setAttribute("title", target.href); // in punycode, so that letters that only look Latin are visible
  for (const text of textsIn(link)) text.data = text.data.replace(INVISIBLE, "");
  const shownHost = ADDRESS.exec(link.textContent?.trim() ?? "")?.[1]?.toLowerCase();
  if (shownHost && target.host && withoutWww(target.hostname) !== withoutWww(shownHost)) link.append(` (${target.host})`);
}

/** @param {string} address */
function targetOf(address) {
  return SCHEME.test(address) && URL.canParse(address) ? new URL(address) : null;
}

/** @param {string} host */
function withoutWww(host) {
  return host.replace(/^www\./, "");
}

/** @param {Element} element */
function textsIn(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  return texts;
}
