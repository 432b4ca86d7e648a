/** Sanitises the HTML of a model's Markdown: no scripts, and no requests to other hosts. */

import { setLabel, texts } from "../i18n/language.js";
import { makeLinkSafe } from "./safe_link.js";

/** @typedef {import("dompurify").DOMPurify} DomPurify */

const TAGS = [
  ..."h1 h2 h3 h4 h5 h6 p br hr blockquote pre code kbd samp ul ol li dl dt dd".split(" "),
  ..."table caption thead tbody tr th td strong b em i u s del ins mark small sub sup abbr".split(" "),
  ..."a img span div details summary input #text".split(" "),
];
const ATTRIBUTES = "href src alt title class align start colspan rowspan type checked disabled open".split(" ");
const DATA_IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif);/i;
/** Images may come from the page's own files. A request to another path of this origin might have an effect. */
const STATIC = import.meta.url.replace(/^(.*\/static\/).*$/, "$1");
const CLASS =
  /^(?:formula|formula-display|formula-open|language-[\w+#.-]+|source|footnote(?:-reference|-label)?|callout(?:-title|-note|-tip|-important|-warning|-caution)?)$/;

export class Sanitiser {
  #purify;

  /** @param {typeof import("dompurify").default} createPurify */
  constructor(createPurify) {
    this.#purify = createPurify(window); // a separate instance, because hooks belong to the instance
    this.#purify.addHook("afterSanitizeAttributes", cleanNode);
  }

  /**
   * @param {string} html
   * @returns {DocumentFragment}
   */
  sanitise(html) {
    return this.#purify.sanitize(html, {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ATTRIBUTES,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
      RETURN_DOM_FRAGMENT: true,
    });
  }
}

/** @param {Element} node */
function cleanNode(node) {
  const classes = [...node.classList].filter((name) => CLASS.test(name));
  if (classes.length > 0) node.className = classes.join(" ");
  else node.removeAttribute("class");
  if (node.tagName === "A") makeLinkSafe(node);
  if (node.tagName === "IMG") cleanImage(node);
  if (node.tagName === "INPUT") cleanInput(node);
}

/**
 * Keeps images that the answer embeds and the page's own files. Any other image is replaced by a link to it, because a
 * request to its host would tell that host who reads what.
 * @param {Element} image
 */
function cleanImage(image) {
  const source = image.getAttribute("src") ?? "";
  if (DATA_IMAGE.test(source) || isStatic(source)) return;
  const about = image.getAttribute("alt") || image.getAttribute("title");
  const description = about ? `${texts.image}: ${about}` : texts.image;
  if (!/^https?:/i.test(source) || !URL.canParse(source) || image.closest("a")) return image.replaceWith(`[${description}]`);
  const link = document.createElement("a");
  link.setAttribute("href", source);
  link.textContent = `${description} (${new URL(source).host})`;
  makeLinkSafe(link);
  image.replaceWith("[", link, "]");
}

/** @param {string} source */
function isStatic(source) {
  return URL.canParse(source, document.baseURI) && new URL(source, document.baseURI).href.startsWith(STATIC);
}

/** Keeps only the checkboxes of task lists, disabled. @param {Element} input */
function cleanInput(input) {
  if (input.getAttribute("type") !== "checkbox") return input.remove();
  input.setAttribute("disabled", "");
  setLabel(input, input.hasAttribute("checked") ? "taskDone" : "taskOpen");
}
