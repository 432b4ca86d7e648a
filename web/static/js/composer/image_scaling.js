/**
 * Makes an image small enough for a request. It is encoded again, so that nothing of its file leaves the browser but the
 * picture: no place, no time, no camera.
 */

import { LONGEST_SIDE, MAX_IMAGE_BYTES } from "../conversation/image_limits.js";

const MAX_FILE_BYTES = 50_000_000; // decoded, it may take a hundred times as much
const QUALITIES = [0.85, 0.7, 0.55];
const SHRINK = 0.75; // per step, where the lowest quality is not enough

/**
 * @param {Blob} file
 * @returns {Promise<{ data: string, width: number, height: number }>} a JPEG image as a data URL
 * @throws {Error} the browser cannot read it
 */
export async function scaleImage(file) {
  if (file.size > MAX_FILE_BYTES) throw new Error("The file is too large.");
  const whole = await createImageBitmap(file);
  const { width, height } = whole;
  whole.close();
  for (let scale = Math.min(1, LONGEST_SIDE / Math.max(width, height)); ; scale *= SHRINK) {
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    const canvas = await drawn(file, size);
    for (const quality of QUALITIES) {
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
      if (blob.size <= MAX_IMAGE_BYTES) return { data: await dataUrl(blob), ...size };
    }
  }
}

/**
 * Decodes the file again, at its new size: the browser does that beside the page, and drawing takes little then.
 * @param {Blob} file
 * @param {{ width: number, height: number }} size
 */
async function drawn(file, { width, height }) {
  const bitmap = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("There is no canvas.");
  context.fillStyle = "#fff"; // below what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return canvas;
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {string} */ (reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
