/** The texts of exported and imported files, in all languages. */

/** @typedef {typeof ENGLISH} FileTexts */

const ENGLISH = {
  /** @param {string[]} names */
  toolsUsed: (names) => `Tools: ${names.join(", ")}`,
  importing: "Importing…",
  exporting: "Exporting…",
  /** @param {number} done @param {number} all */
  importedSoFar: (done, all) => `Importing: ${done} of ${all} conversations`,
  /** @param {{ added: number, updated: number, present: number }} counts of conversations */
  imported: ({ added, updated, present }) => {
    if (present === 1 && !added && !updated) return "This conversation is here already";
    if (present > 0 && !added && !updated) return `All ${present} conversations are here already`;
    const [first, what] = added || !updated ? [added, "imported"] : [updated, "updated"];
    const rest = [added && updated && `${updated} updated`, present && `${present} here already`].filter(Boolean);
    return [`${first} ${first === 1 ? "conversation" : "conversations"} ${what}`, ...rest].join(", ");
  },
  /** @param {number} count */
  leftOutOfImport: (count) =>
    count === 1
      ? "1 image, file, source or tool message was left out."
      : `${count} images, files, sources or tool messages were left out.`,
  /** @param {string[]} sentences @returns {string} one alone has no full stop */
  inARow: (sentences) => (sentences.length > 1 ? sentences.map((each) => each.replace(/\.?$/, ".")).join(" ") : sentences.join("")),
  nothingExported: "No conversation was exported.",
  /** @param {number} count */
  conversationsNotRead: (count) =>
    count === 1 ? "1 conversation was not exported: it could not be read." : `${count} conversations were not exported: they could not be read.`,
  listNotRead: "The conversations that are stored in this browser could not be read.",
  imagesNotExported: "Some images are not in the exported file: they are no longer in this browser, or the file would be larger than 100 MB.",
  /** @param {number} count */
  imagesImported: (count) => (count === 1 ? "1 image was added." : `${count} images were added.`),
  /** @param {number} count */
  imagesNotInFile: (count) => (count === 1 ? "1 image is not in the file." : `${count} images are not in the file.`),
  /** @param {number} count */
  imagesRefused: (count) =>
    count === 1
      ? "1 image was left out: it is damaged, too large or no JPEG."
      : `${count} images were left out: they are damaged, too large or no JPEG.`,
  /** @param {number} count */
  imagesWithoutRoom: (count) =>
    count === 1
      ? "1 image was left out: there is no room for more images in this browser."
      : `${count} images were left out: there is no room for more images in this browser.`,
  notArchive: "This file is not an export of Sluice, ChatGPT or Open WebUI. Choose a JSON file that one of them exported, or ChatGPT's ZIP file.",
  archiveNewer: "A newer version of Sluice wrote this file, and this version cannot read it. Nothing was imported.",
  archiveDamaged: "This file is damaged. Nothing was imported. Export the conversations again.",
  archiveTooLarge: "This file is too large. The limit is 100 MB. Nothing was imported.",
  archiveUnreadable: "The browser could not read this file. It may have been moved or changed. Choose it again.",
};

/** @type {FileTexts} */
const CHINESE = {
  toolsUsed: (names) => `工具：${names.join("、")}`,
  importing: "正在导入…",
  exporting: "正在导出…",
  importedSoFar: (done, all) => `正在导入：${done} / ${all} 段对话`,
  imported: ({ added, updated, present }) => {
    if (present > 0 && !added && !updated) return `文件中的 ${present} 段对话都已存在`;
    const first = added || !updated ? `已导入 ${added} 段对话` : `已更新 ${updated} 段对话`;
    return [first, ...[added && updated && `更新 ${updated} 段`, present && `${present} 段已存在`].filter(Boolean)].join("，");
  },
  leftOutOfImport: (count) => `其中有 ${count} 项图片、文件、来源或工具消息未导入。`,
  inARow: (sentences) => (sentences.length > 1 ? sentences.map((each) => each.replace(/。?$/, "。")).join("") : sentences.join("")),
  nothingExported: "未导出任何对话。",
  conversationsNotRead: (count) => `有 ${count} 段对话无法读取，未导出。`,
  listNotRead: "无法读取此浏览器中存储的对话。",
  imagesNotExported: "部分图片未写入导出的文件：它们已不在此浏览器中，或者文件会超过 100 MB。",
  imagesImported: (count) => `已添加 ${count} 张图片。`,
  imagesNotInFile: (count) => `文件中缺少 ${count} 张图片。`,
  imagesRefused: (count) => `有 ${count} 张图片未导入：图片已损坏、过大或不是 JPEG。`,
  imagesWithoutRoom: (count) => `有 ${count} 张图片未导入：此浏览器中已没有存放更多图片的空间。`,
  notArchive: "这不是 Sluice、ChatGPT 或 Open WebUI 导出的文件，请选择由它们导出的 JSON 文件，或 ChatGPT 的 ZIP 文件。",
  archiveNewer: "此文件由更新版本的 Sluice 导出，当前版本无法读取。未导入任何内容。",
  archiveDamaged: "文件已损坏，未导入任何内容。请重新导出。",
  archiveTooLarge: "文件过大，上限为 100 MB。未导入任何内容。",
  archiveUnreadable: "浏览器无法读取此文件，它可能已被移动或修改。请重新选择。",
};

export const FILE_TEXTS = { ENGLISH, CHINESE };
