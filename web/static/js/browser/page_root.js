/**
 * The element that holds the chat: alone in its document, or inside a page of somebody else's application. The server
 * writes what the page must know into its attributes.
 */

const WIDE = 64; // rem: the sidebar and a full line of text

export const root = /** @type {HTMLElement} */ (document.getElementById("sluice"));
const { base = "", user = "", csrfToken = "" } = root.dataset;

export const isAlone = root.classList.contains("alone");

/** Whether this is the chat's own page, alone or in another page's layout; otherwise it is a part of another page. */
export const isOwnPage = "isPage" in root.dataset;

/** Whether answers come from the built-in demo and not from a language model. */
export const isDemo = "demo" in root.dataset;

/** The element whose attributes set theme, text size and language. */
export const frame = isAlone ? document.documentElement : root;

/** The element that scrolls the conversation. */
export const scroller = isAlone ? frame : /** @type {HTMLElement} */ (root.querySelector(".column"));

/** What gets the events of its scrolling. */
export const scrollTarget = isAlone ? window : scroller;

/** This close to the end of the conversation counts as at the end: pixels, less than two lines. */
export const NEAR_END = 48;

/** @param {Element} [box] scrolls @returns {number} pixels below what is in view */
export function distanceToEnd(box = scroller) {
  return box.scrollHeight - box.clientHeight - box.scrollTop;
}

/** Whether the application keeps conversations for its users. */
export const isSynced = "isSynced" in root.dataset;

/** An opaque key of the signed-in user; empty if the application names none. */
export const userKey = user;

/** @param {string} path of the API, such as `api/chat` */
export function apiAddress(path) {
  return base + path;
}

/**
 * @param {string} name
 * @returns {string} the name under which this browser stores something of the page: another one for each user
 */
export function storageName(name) {
  return `sluice.${user && `${user}.`}${name}`;
}

/** Matches while the main pointer is a finger: then the keyboard is usually on the screen, and covers half of it. */
export const coarsePointer = matchMedia("(pointer: coarse)");

let isClosed = false;

/** Whether what the user stored was deleted, so that this page must store nothing any more. */
export function isStorageClosed() {
  return isClosed;
}

/** Call when what the user stored is being deleted. */
export function closeStorage() {
  isClosed = true;
}

/** @returns {Record<string, string>} the headers of each POST to the application */
export function postHeaders() {
  // the surrounding page may renew its token
  const meta = document.querySelector('meta[name="csrf-token"]');
  const token = meta?.getAttribute("content") || csrfToken;
  return { ...(token && { "X-CSRFToken": token }), ...(user && { "X-Sluice-User": user }) };
}

/** @returns {string[]} the languages of the surrounding page or the application, and then the browser's */
export function preferredLanguages() {
  const around = isAlone ? null : root.parentElement?.closest("[lang]");
  const host = around?.getAttribute("lang") || root.dataset.language;
  return [...(host ? [host] : []), ...navigator.languages];
}

const wideWindow = matchMedia(`(min-width: ${WIDE}rem)`);

/** Sets whether the sidebar fits next to the conversation, for the style sheets. */
function setWidth() {
  const isWide = isAlone ? wideWindow.matches : root.clientWidth >= WIDE * parseFloat(getComputedStyle(root).fontSize);
  if (root.classList.contains("wide") === isWide) return;
  root.classList.toggle("wide", isWide);
  root.dispatchEvent(new Event("widthchange"));
}

setWidth();
if (isAlone) wideWindow.addEventListener("change", setWidth);
else new ResizeObserver(setWidth).observe(root);
