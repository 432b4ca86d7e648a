/**
 * Puts the images of questions into an exported file, and takes them from an imported one. Imported files are untrusted: an image
 * is taken only if it could be one that this page has made, and those that are here are not replaced.
 */

import { LONGEST_SIDE, MAX_IMAGE_BYTES } from "../conversation/image_limits.js";
import { addImages, findImages, loadImages } from "../storage/image_store.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */

/**
 * @typedef {object} ImageCounts
 * @property {number} added images that were not here
 * @property {number} missing those that are neither here nor in the file
 * @property {number} refused those that this page would not have made
 * @property {number} excess those for which this browser has no room
 * @property {boolean} isKept false if they are lost when the page is left
 */

const LABEL = "data:image/jpeg;base64,"; // as all that the page makes
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MAX_BASE64 = Math.ceil(MAX_IMAGE_BYTES / 3) * 4;
const ENTRY_BYTES = 40; // of an image in the file, besides its data

/**
 * Reads the images of conversations, one conversation after the other. The first ones come first.
 * @param {Conversation[]} conversations
 * @param {number} room bytes
 * @returns {Promise<{ images: Map<string, Blob>, areAll: boolean }>} by their ids, each as JSON. A browser may have blobs on its disk.
 */
export async function collectImages(conversations, room) {
  /** @type {Map<string, Blob>} */
  const images = new Map();
  let areAll = true;
  for (const conversation of conversations) {
    const ids = [...referencesOf([conversation]).keys()].filter((id) => !images.has(id));
    const found = ids.length > 0 ? await loadImages(ids) : new Map();
    for (const id of ids) {
      const json = new Blob([JSON.stringify(found.get(id) ?? null)]);
      const fits = found.has(id) && json.size + ENTRY_BYTES <= room;
      areAll &&= fits;
      if (!fits) continue;
      room -= json.size + ENTRY_BYTES;
      images.set(id, json);
    }
  }
  return { images, areAll };
}

/**
 * Keeps the images of imported conversations that are not here yet.
 * @param {Conversation[]} conversations
 * @param {Record<string, unknown>} images what the file has, by ids
 * @returns {Promise<ImageCounts>}
 */
export async function importImages(conversations, images) {
  const references = referencesOf(conversations);
  const here = await findImages([...references.keys()]);
  const sound = [];
  let missing = 0;
  let refused = 0;
  for (const [id, reference] of references) {
    const data = images[id];
    if (here.has(id)) continue;
    if (data === undefined) missing += 1;
    else if (typeof data === "string" && (await isSound(data, reference))) sound.push({ id, data });
    else refused += 1;
  }
  const { added, isKept } = await addImages(sound);
  return { added, missing, refused, excess: sound.length - added, isKept };
}

/** @param {Conversation[]} conversations @returns {Map<string, ImageReference>} several versions of a question share their images */
function referencesOf(conversations) {
  const all = conversations.flatMap(({ exchanges }) => exchanges.flatMap(({ images = [] }) => images));
  return new Map(all.map((reference) => [reference.id, reference]));
}

/**
 * @param {string} data
 * @param {ImageReference} reference
 * @returns {Promise<boolean>} whether it is a data URL of an image as this page makes them
 */
async function isSound(data, { width, height }) {
  const base64 = data.slice(LABEL.length);
  if (!data.startsWith(LABEL) || base64.length > MAX_BASE64 || !BASE64.test(base64)) return false;
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const size = jpegSize(bytes); // before it is decoded: it could fill the memory
  if (bytes.length > MAX_IMAGE_BYTES || size?.width !== width || size.height !== height || Math.max(width, height) > LONGEST_SIDE) return false;
  try {
    (await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }))).close();
    return true;
  } catch {
    return false; // damaged
  }
}

/**
 * Finds the size of a JPEG image in the header of its first frame: ITU-T T.81, B.2.2.
 * @param {Uint8Array} bytes
 * @returns {{ width: number, height: number } | null} pixels; null if it has none
 */
function jpegSize(bytes) {
  const view = new DataView(bytes.buffer);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 9 <= bytes.length; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint16(at);
    if (marker < 0xffc0 || marker === 0xffda) return null; // no segment, or the image itself
    const isFrame = marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
  }
  return null;
}
