/** The texts that are shown only in dialogs, in all languages. Those of the template are in `english.js`. */

/** @typedef {typeof ENGLISH} DialogTexts */

const ENGLISH = {
  settingsNotSaved: "This browser cannot save settings. Your choices apply until you leave this page.",
  temperatureOutside: "The temperature should be a number from 0 to 2, or empty.",
  instructionsNotKept: "The instructions are too long and were not kept.",
  temperatureNotKept: "The temperature was not kept: it is no number from 0 to 2.",
  toComposer: "Go to the message box",
  copyLast: "Copy the last answer",
  stopAnswer: "Stop the answer",
  undoLast: "Undo the last deletion",
  toggleSidebar: "Open or close the sidebar",
  showShortcuts: "Show this list",
  conversationAbove: "The one above",
  conversationBelow: "The one below",
  inTheList: "On a title in the list of conversations",
  nextControl: "Next button or field",
  newLine: "New line",
  earlierPrompt: "Previous question (in an empty box)",
  laterPrompt: "Next question",
};

/** @type {DialogTexts} */
const CHINESE = {
  settingsNotSaved: "浏览器无法保存设置。你的选择在离开页面后失效。",
  temperatureOutside: "温度应是 0 到 2 之间的数，或者留空。",
  instructionsNotKept: "对本次对话的要求太长，没有保存。",
  temperatureNotKept: "温度不是 0 到 2 之间的数，没有保存。",
  toComposer: "回到输入框",
  copyLast: "复制最后一个回答",
  stopAnswer: "停止生成",
  undoLast: "撤销上一次删除",
  toggleSidebar: "打开或关闭侧栏",
  showShortcuts: "显示这份列表",
  conversationAbove: "上一段对话",
  conversationBelow: "下一段对话",
  inTheList: "焦点在对话列表的标题上时",
  nextControl: "下一个按钮或输入框",
  newLine: "换行",
  earlierPrompt: "上一个问题（输入框为空时）",
  laterPrompt: "下一个问题",
};

export const DIALOG_TEXTS = { ENGLISH, CHINESE };
