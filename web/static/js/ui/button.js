/** Creates buttons whose texts follow the language, and icons, which are decorative: each needs a name beside it. */

import { loadStyles } from "../browser/libraries.js";
import { writeClipboard } from "../browser/clipboard.js";
import { setText } from "../i18n/language.js";

/** @typedef {import("../i18n/language.js").TextKey} TextKey */

/** A bubbling event after copying: the text of its target says so. */
export const COPY_ENDED = "copyended";

/** A bubbling event: the browser has refused to copy. */
export const COPY_FAILED = "copyfailed";

/** A bubbling event: a part of the page could not be loaded. */
export const PART_MISSING = "partmissing";

// the symbols in the page, made by static/vendor.mjs
const SVG = "http://www.w3.org/2000/svg";
const PREFIX = "#sluice-icon-";
const SHOWN_MS = 2000; // long enough to be read

/**
 * A button with a visible text.
 * @param {TextKey} key
 * @param {string} name the class
 * @param {(event: MouseEvent) => void} onPress
 */
export function quietButton(key, name, onPress) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `quiet ${name}`;
  setText(element, key);
  element.addEventListener("click", onPress);
  return element;
}

/**
 * A button with an icon. Its name is a hidden text, which the tooltip shows.
 * @param {string} icon
 * @param {TextKey} key the name
 * @param {string} name the class
 * @param {() => void} [onPress]
 */
export function iconButton(icon, key, name, onPress) {
  const element = document.createElement("button");
  const label = document.createElement("span");
  element.type = "button";
  element.className = `quiet icon-button ${name}`;
  label.className = "label";
  setText(label, key);
  element.append(createIcon(icon), label);
  if (onPress) element.addEventListener("click", onPress);
  return element;
}

/**
 * @param {TextKey} key
 * @param {string} name the class
 * @param {() => string} text
 * @param {object} [options]
 * @param {() => Promise<string> | undefined} [options.html] the same as rich text
 * @param {boolean} [options.isWorded] whether its name is visible
 */
export function copyButton(key, name, text, { html, isWorded = false } = {}) {
  const button = iconButton("copy", key, name, () => void copyText(button, text(), html?.()));
  button.classList.toggle("icon-button", !isWorded);
  return button;
}

/** What restores a button that shows that a text is copied. @type {WeakMap<HTMLElement, () => void>} */
const restores = new WeakMap();

/**
 * @param {HTMLButtonElement} button an icon button; shows for a moment that the text is copied
 * @param {string} text
 * @param {Promise<string>} [html] the same as rich text
 */
export async function copyText(button, text, html) {
  try {
    await writeClipboard(text, html);
  } catch {
    restores.get(button)?.(); // after an earlier success
    return void button.dispatchEvent(new Event(COPY_FAILED, { bubbles: true }));
  }
  showCopied(button);
  button.dispatchEvent(new Event(COPY_ENDED, { bubbles: true }));
}

/** @param {HTMLButtonElement} button an icon button; shows for a moment that a text is copied */
export function showCopied(button) {
  restores.get(button)?.();
  const label = /** @type {HTMLElement} */ (button.querySelector(".label"));
  const svg = /** @type {Element} */ (button.querySelector("svg"));
  const key = /** @type {TextKey} */ (label.dataset.text);
  const icon = iconOf(svg);
  setText(label, "copied");
  setIcon(svg, "check");
  const restore = () => {
    clearTimeout(timer);
    restores.delete(button);
    setText(label, key);
    setIcon(svg, icon);
  };
  const timer = setTimeout(restore, SHOWN_MS);
  restores.set(button, restore);
}

/**
 * @param {string} name
 * @returns {SVGElement}
 */
export function createIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  setIcon(svg, name);
  return svg;
}

/**
 * @param {Element} svg
 * @param {string} name
 */
function setIcon(svg, name) {
  svg.querySelector("use")?.setAttribute("href", PREFIX + name);
}

/** @param {Element} element an icon, or a button with one @returns {string} the name of the icon; empty without one */
export function iconOf(element) {
  return element.querySelector("use")?.getAttribute("href")?.slice(PREFIX.length) ?? "";
}

/** A button with a menu, which is loaded when the reader first uses the page. */
export class MenuButton {
  #button;
  #items;
  #side;
  /** @type {import("./menu.js").Menu | null} */
  #menu = null;

  /**
   * @param {HTMLButtonElement} button opens and closes the menu
   * @param {() => import("./menu.js").MenuItem[]} items called when the menu opens
   * @param {"start" | "end"} [side] which edge of the menu is in line with that of the button
   */
  constructor(button, items, side = "end") {
    this.#button = button;
    this.#items = items;
    this.#side = side;
    button.setAttribute("aria-haspopup", "menu");
    button.ariaExpanded = "false";
    button.addEventListener("click", () => (this.#menu?.isOpen ? this.close() : void this.#open(0)));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      event.stopPropagation(); // the list moves the focus by these keys
      void this.#open(event.key === "ArrowUp" ? -1 : 0);
    });
  }

  close() {
    this.#menu?.close();
  }

  /** Call when the page has moved the button: an open menu goes along. */
  follow() {
    this.#menu?.follow();
  }

  /** @param {number} index of the item to focus, from the end if negative */
  async #open(index) {
    try {
      const [{ Menu }] = await Promise.all([import("./menu.js"), loadStyles("css/dialog.css")]);
      this.#menu ??= new Menu(this.#button, this.#items, this.#side);
      if (this.#button.isConnected) this.#menu.open(index);
    } catch {
      this.#button.dispatchEvent(new Event(PART_MISSING, { bubbles: true })); // offline, or after a deploy
    }
  }
}
