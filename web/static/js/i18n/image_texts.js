/** The texts of images and files in questions, in all languages. */

/** @typedef {typeof ENGLISH} ImageTexts */

const ENGLISH = {
  filesRefused: "These files were not added:",
  /** @param {string} cause @returns {string} what follows the name of a file */
  refusedBecause: (cause) => `: ${cause}`,
  /** @param {number} count */
  furtherFiles: (count) => (count === 1 ? "and 1 further file" : `and ${count} further files`),
  fileNotText: "Only text files can be put into a message. Images and other files cannot be sent.",
  fileNotTextOrImage: "Only text files and images can be put into a message.",
  fileNotUtf8: "This text is not in UTF-8. Save it as UTF-8, then add it again.",
  fileTooLarge: "This file is too long for a message. Paste the part that your question is about.",
  fileUnreadable: "The browser could not read this. It may be a folder, or may have been moved or changed.",
  filesNotInEdit: "Images and other files cannot be added to an edited question. Add them to a new message.",
  images: "Images",
  /** @param {string[]} names */
  filesAdded: (names) => `Files added: ${names.join(", ")}`,
  dropFiles: "Drop files here",
  imagesReading: "You can send when the images have been read.",
  wordsMissing: "Write a question about the image.",
  addFiles: "Add files",
  remove: "Remove",
  /** @param {string} name */
  removeImage: (name) => `Remove ${name}`,
  /** @param {string} name */
  imageOf: (name) => `Image: ${name}`,
  /** @param {string[]} names */
  imagesSent: (names) => `Images: ${names.join(", ")}`,
  imagesMissing: "Images of this question are not in this browser.",
  imageUnreadable: "The browser could not read this image. Use JPEG, PNG, WebP or GIF.",
  imageExcess: "A message may have 4 images.",
  imagesTooMany: "A message may have 4 images. The others wait for the next one.",
  imagesNotKept: "This browser cannot keep your images. They are lost when you leave the page.",
};

/** @type {ImageTexts} */
const CHINESE = {
  filesRefused: "以下文件没有添加：",
  refusedBecause: (cause) => `：${cause}`,
  furtherFiles: (count) => `以及另外 ${count} 个文件`,
  fileNotText: "只能把文本文件放进消息，无法发送图片和其他文件。",
  fileNotTextOrImage: "消息中只能放入文本文件和图片。",
  fileNotUtf8: "文本的编码不是 UTF-8。请另存为 UTF-8，然后重新添加。",
  fileTooLarge: "文件太长，无法放进一条消息。请只粘贴与问题有关的部分。",
  fileUnreadable: "浏览器无法读取。它可能是文件夹，或者已被移动或修改。",
  filesNotInEdit: "编辑问题时不能添加图片和其他文件，请把它们添加到新消息中。",
  images: "图片",
  filesAdded: (names) => `已添加文件：${names.join("、")}`,
  dropFiles: "把文件放到这里",
  imagesReading: "图片读取完后才能发送。",
  wordsMissing: "请写下关于图片的问题。",
  addFiles: "添加文件",
  remove: "移除",
  removeImage: (name) => `移除 ${name}`,
  imageOf: (name) => `图片：${name}`,
  imagesSent: (names) => `图片：${names.join("、")}`,
  imagesMissing: "这个问题的图片不在此浏览器中。",
  imageUnreadable: "浏览器无法读取这张图片，请使用 JPEG、PNG、WebP 或 GIF。",
  imageExcess: "一条消息最多 4 张图片。",
  imagesTooMany: "一条消息最多 4 张图片，其余的留给下一条消息。",
  imagesNotKept: "此浏览器无法保存图片，离开页面后图片会丢失。",
};

export const IMAGE_TEXTS = { ENGLISH, CHINESE };
