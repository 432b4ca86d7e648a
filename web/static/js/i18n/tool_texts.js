/** The texts of tools, sources and progress, in all languages. */

/** @typedef {typeof ENGLISH} ToolTexts */

const ENGLISH = {
  tool: "Tool",
  toolRunning: "running",
  toolWaiting: "asks for permission",
  toolInstant: "less than 0.1 s",
  /** @param {string} duration */
  toolFailed: (duration) => `failed, ${duration}`,
  toolDenied: "you did not allow this",
  toolUndecided: "not allowed: no decision in time",
  toolNotAsked: "not allowed: nobody could be asked",
  toolNotRun: "The tool did not run.",
  toolBadArguments: "The model called it with arguments that do not fit. It did not run.",
  toolUnknown: "The model called a tool that does not exist here.",
  toolTimeout: "The tool did not end in time, and was stopped.",
  toolBroken: "Something went wrong in the tool.",
  toolTold: "What the model was told",
  toolStopped: "not run",
  toolUnfinished: "not finished",
  consent: "Permission",
  /** @param {string} name */
  consentAsked: (name) => `The tool ${name} asks for your permission.`,
  /** @param {string} name */
  consentQuestion: (name) => `Allow ${name} with these arguments?`,
  /** @param {string} name */
  consentWithoutArguments: (name) => `Allow ${name}?`,
  consentImpossible: "This tool needs your permission, but the server does not keep this answer, so this page cannot give it.",
  consentUnknown: "The server does not wait for this any more.",
  consentFailed: "The server could not be told. Try again.",
  allow: "Allow",
  deny: "Deny",
  toolArguments: "Arguments",
  toolResult: "Result",
  toolError: "Error",
  sources: "Sources",
  /** @param {number} count */
  sourcesFound: (count) => `${count} sources`,
  progress: "Progress",
};

/** @type {ToolTexts} */
const CHINESE = {
  tool: "工具",
  toolRunning: "运行中",
  toolWaiting: "请求许可",
  toolInstant: "不到 0.1 秒",
  toolFailed: (duration) => `失败，${duration}`,
  toolDenied: "你未允许",
  toolUndecided: "未获允许：未及时作出选择",
  toolNotAsked: "未获允许：无法询问",
  toolNotRun: "工具没有运行。",
  toolBadArguments: "模型给出的参数不符合工具的要求，工具没有运行。",
  toolUnknown: "模型调用了这里没有的工具。",
  toolTimeout: "工具未在时限内完成，已被停止。",
  toolBroken: "工具出错了。",
  toolTold: "告知模型的内容",
  toolStopped: "未运行",
  toolUnfinished: "未完成",
  consent: "许可",
  consentAsked: (name) => `工具 ${name} 请求你的许可。`,
  consentQuestion: (name) => `允许用以下参数运行 ${name} 吗？`,
  consentWithoutArguments: (name) => `允许运行 ${name} 吗？`,
  consentImpossible: "这个工具需要你的许可，但服务器不保存这个回答，本页无法给出许可。",
  consentUnknown: "服务器已不再等待这个许可。",
  consentFailed: "未能通知服务器，请重试。",
  allow: "允许",
  deny: "拒绝",
  toolArguments: "参数",
  toolResult: "结果",
  toolError: "错误",
  sources: "来源",
  sourcesFound: (count) => `${count} 个来源`,
  progress: "进度",
};

export const TOOL_TEXTS = { ENGLISH, CHINESE };
