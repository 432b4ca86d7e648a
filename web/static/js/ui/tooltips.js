/**
 * Tooltips of icon buttons: the name, and the shortcut if there is one. Shown after a moment under the pointer, and at
 * once for the keyboard focus. Assistive technology reads the name from the button itself.
 */

import { root } from "../browser/page_root.js";
import { COPY_ENDED } from "./button.js";
import { placeBeside } from "./floating.js";
import { keysOf } from "./shortcuts.js";

/** @typedef {import("./shortcuts.js").Shortcut} Shortcut */

const DELAY_MS = 450;
const BUTTONS = ".icon-button";

export class Tooltips {
  #element = document.createElement("div");
  #shortcuts;
  #timer = 0;
  /** @type {Element | null} */
  #button = null;
  #isPressed = false;

  /** @param {{ button: string, key: Pick<Shortcut, "key" | "chord" | "shift"> }[]} shortcuts selectors of buttons */
  constructor(shortcuts) {
    this.#shortcuts = shortcuts;
    this.#element.className = "tooltip";
    this.#element.popover = "manual";
    this.#element.ariaHidden = "true";
    root.append(this.#element);
    root.addEventListener("pointerover", (event) => this.#onPointer(event));
    root.addEventListener("pointerleave", () => this.#hide());
    root.addEventListener("focusin", ({ target }) => {
      const button = buttonOf(target);
      if (button?.matches(":focus-visible")) this.#show(button);
      else this.#hide();
    });
    root.addEventListener("focusout", () => this.#hide());
    root.addEventListener("pointerdown", () => {
      this.#isPressed = true; // until the pointer has left: what takes the button's place needs no tooltip over it
      this.#hide();
    });
    root.addEventListener("pointermove", ({ target }) => (this.#isPressed &&= buttonOf(target) !== null), { passive: true });
    root.addEventListener(COPY_ENDED, ({ target }) => target === this.#button && this.#show(/** @type {Element} */ (target)));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#hide(), { capture: true });
    addEventListener("scroll", () => this.#hide(), { capture: true, passive: true });
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    if (event.pointerType === "touch" || this.#isPressed || this.#element.contains(/** @type {Node} */ (event.target))) return;
    const button = buttonOf(event.target);
    if (button === this.#button && button) return;
    this.#hide();
    this.#button = button;
    if (button) this.#timer = setTimeout(() => this.#show(button), DELAY_MS);
  }

  /** @param {Element} button */
  #show(button) {
    this.#hide();
    const text = button.ariaLabel || button.querySelector(".label")?.textContent?.trim();
    if (!text || !button.isConnected || button.ariaExpanded === "true" || root.classList.contains("without-icons")) return;
    this.#button = button;
    this.#element.replaceChildren(text);
    const shortcut = this.#shortcuts.find((each) => button.matches(each.button));
    if (shortcut) {
      const keys = document.createElement("kbd");
      keys.textContent = keysOf(shortcut.key).join("+");
      this.#element.append(keys);
    }
    this.#element.showPopover();
    placeBeside(this.#element, button, "centre", "below");
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#button = null;
    if (this.#element.matches(":popover-open")) this.#element.hidePopover();
  }
}

/** @param {EventTarget | null} target */
function buttonOf(target) {
  return target instanceof Element ? target.closest(BUTTONS) : null;
}
