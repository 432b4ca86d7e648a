/** Downloads a text as a file. */

const FORBIDDEN = /[\\/:*?"<>|\p{Cc}\p{Cf}]+/gu; // in file names, on some operating system
const MAX_NAME_CHARS = 80; // file systems allow 255 bytes

/**
 * @param {string} name without its extension
 * @param {"md" | "json"} extension
 * @param {string} text
 */
export function download(name, extension, text) {
  const type = extension === "md" ? "text/markdown" : "application/json";
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${fileName(name)}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url)); // the download has started by then
}

/** @param {string} name */
function fileName(name) {
  const plain = name.replace(FORBIDDEN, " ").replace(/\s+/g, " ").trim().replace(/^\.+/, "");
  return [...plain].slice(0, MAX_NAME_CHARS).join("").trim() || "sluice";
}
