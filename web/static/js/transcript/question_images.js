/** The images of a question: small ones, which open large. */

import { Dialog } from "../ui/dialog.js";
import { iconButton, PART_MISSING } from "../ui/button.js";
import { loadStyles } from "../browser/libraries.js";
import { loadImages, onImagesAdded } from "../storage/image_store.js";
import { root } from "../browser/page_root.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */

/** Those that lack images, which an import may bring. @type {Map<HTMLElement, ImageReference[]>} */
const incomplete = new Map();

onImagesAdded(() => {
  for (const [element, images] of incomplete) {
    incomplete.delete(element);
    if (element.isConnected) void showImages(element, images);
  }
});

/**
 * @param {HTMLElement} element
 * @param {ImageReference[]} images
 */
export async function showImages(element, images) {
  const found = await loadImages(images.map(({ id }) => id));
  const kept = images.flatMap((image) => {
    const data = found.get(image.id);
    return data ? [thumbnail(image, data)] : [];
  });
  element.replaceChildren(...kept, ...(kept.length < images.length ? [missingNote()] : []));
  element.classList.toggle("missing", kept.length === 0);
  if (kept.length < images.length) incomplete.set(element, images);
}

function missingNote() {
  const note = document.createElement("p");
  note.className = "missing-images";
  setText(note, "imagesMissing");
  return note;
}

/**
 * @param {ImageReference} image
 * @param {string} data
 */
function thumbnail({ name, width, height }, data) {
  const button = document.createElement("button");
  const picture = document.createElement("img");
  button.type = "button";
  button.className = "thumbnail";
  button.setAttribute("aria-haspopup", "dialog");
  button.style.aspectRatio = `${width} / ${height}`;
  Object.assign(picture, { src: data, alt: name, width, height });
  button.append(picture);
  button.addEventListener("click", () => {
    openLarge(button, data, name).catch(() => button.dispatchEvent(new Event(PART_MISSING, { bubbles: true }))); // offline, or after a deploy
  });
  return button;
}

/**
 * @param {HTMLElement} opener
 * @param {string} data
 * @param {string} name
 */
async function openLarge(opener, data, name) {
  await loadStyles("css/dialog.css");
  if (!opener.isConnected) return; // another conversation is shown
  const element = document.createElement("dialog");
  const picture = document.createElement("img");
  const dialog = new Dialog(element);
  element.className = "dialog image-dialog";
  element.ariaLabel = texts.imageOf(name);
  Object.assign(picture, { src: data, alt: name });
  element.append(picture, iconButton("x", "close", "close", () => dialog.close()));
  picture.addEventListener("click", () => dialog.close());
  element.addEventListener("close", () => element.remove());
  root.append(element);
  opener.focus({ preventScroll: true }); // gets it back; it may have gone elsewhere while the style sheet came
  dialog.open();
}
