/** The texts of code, tables and the like in answers, in all languages. */

/** @typedef {typeof ENGLISH} MarkdownTexts */

const ENGLISH = {
  wrapLines: "Wrap lines",
  codeLabel: "Code",
  plainText: "Plain text",
  /**
   * @param {string} language empty if unknown
   * @param {number} number
   * @param {number} count
   */
  codeName: (language, number, count) =>
    `Code${count > 1 ? ` ${number} of ${count}` : ""}${language ? `: ${language}` : ""}`,
  /**
   * @param {number} number
   * @param {number} count
   */
  tableName: (number, count) => (count > 1 ? `Table ${number} of ${count}` : "Table"),
  calloutNote: "Note",
  calloutTip: "Tip",
  calloutImportant: "Important",
  calloutWarning: "Warning",
  calloutCaution: "Caution",
  taskDone: "Done",
  taskOpen: "Not done",
  /** @param {string} label */
  footnote: (label) => `Footnote ${label}`,
  /** @param {string} label */
  footnoteBack: (label) => `Footnote ${label}: back to the text`,
};

/** @type {MarkdownTexts} */
const CHINESE = {
  wrapLines: "自动换行",
  codeLabel: "代码",
  plainText: "纯文本",
  codeName: (language, number, count) => `代码${count > 1 ? ` ${number}/${count}` : ""}${language ? `：${language}` : ""}`,
  tableName: (number, count) => (count > 1 ? `表格 ${number}/${count}` : "表格"),
  calloutNote: "注意",
  calloutTip: "提示",
  calloutImportant: "重要",
  calloutWarning: "警告",
  calloutCaution: "危险",
  taskDone: "已完成",
  taskOpen: "未完成",
  footnote: (label) => `脚注 ${label}`,
  footnoteBack: (label) => `脚注 ${label}：回到正文`,
};

export const MARKDOWN_TEXTS = { ENGLISH, CHINESE };
