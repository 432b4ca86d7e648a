/** Hands the reader a file. */

const FORBIDDEN = /[\\/:*?"<>|\p{Cc}\p{Cf}]+/gu; // in the name of a file, on some system
const MOST = 80; // characters of a name; file systems take 255 bytes

/**
 * @param {string} name without its ending
 * @param {"md" | "json"} ending
 * @param {string} text
 */
export function download(name, ending, text) {
  const type = ending === "md" ? "text/markdown" : "application/json";
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${fileName(name)}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url)); // the click has taken it by then
}

/** @param {string} name */
function fileName(name) {
  const plain = name.replace(FORBIDDEN, " ").replace(/\s+/g, " ").trim().replace(/^\.+/, "");
  return [...plain].slice(0, MOST).join("").trim() || "sluice";
}
