/** The page's words, in the browser's language: Chinese where it prefers Chinese, English otherwise. */

/** @typedef {import("./failure.js").FailureRecord} FailureRecord */

const ENGLISH = {
  tag: "en",
  newConversation: "New conversation",
  skip: "Skip to the message box",
  tagline: "Streaming chat. You see each word as the model writes it.",
  startersLabel: "Try one of these",
  starters: [
    ["Table and code", "Compare ways to stream from Flask in a table, with code."],
    ["Mathematics", "How many streams fit on one core? Show the mathematics."],
    ["中文", "用中文介绍一下 Sluice。"],
  ],
  conversationLabel: "Conversation",
  you: "You",
  answer: "Answer",
  messageLabel: "Your message",
  placeholder: "Ask anything",
  hint: "Enter sends, Shift+Enter starts a new line",
  modelLabel: "Model",
  send: "Send",
  stop: "Stop",
  toEnd: "Go to the end",
  generating: "Generating",
  complete: "Answer complete",
  stopped: "Stopped",
  stoppedNote: "You stopped this answer.",
  lengthNote: "The answer reached the model's length limit.",
  filterNote: "The provider's content filter ended this answer.",
  emptyNote: "The model sent an empty answer.",
  reasoning: "Reasoning",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "Copying was refused",
  copyAnswer: "Copy answer",
  codeLabel: "Code",
  tableLabel: "Table",
  image: "Image",
  retry: "Try again",
  dismiss: "Dismiss",
  demoNotice: "The built-in demo model is answering: a script on this server, not a language model.",
  configurationNotice: "The server did not say how it is set up. The page goes on with the usual settings.",
  storageNotice:
    "This browser cannot keep the conversation: its storage is full or switched off. A reload will lose what is not kept.",
  /** @param {number} most */
  tooLong: (most) => `This message is too long. The most is ${most.toLocaleString("en")} characters.`,
  /** @param {number} seconds */
  wait: (seconds) => (seconds === 1 ? "Wait 1 second, then try again." : `Wait ${seconds} seconds, then try again.`),
  /** @param {string} id */
  reference: (id) => `Reference: ${id}`,
  /** @type {Record<string, string>} */
  failures: {
    invalid_request: "The server could not accept this message.",
    too_large: "The conversation has grown too long to send. Start a new one, or shorten the message.",
    overloaded: "The server is busy: every place for an answer is taken.",
    shutting_down: "The server is restarting.",
    upstream_unavailable: "The model's provider cannot be reached.",
    upstream_timeout: "The model took too long.",
    upstream_rate_limited: "The model's provider asks for fewer requests.",
    upstream_rejected: "The model's provider refused the request. Whoever runs this server should look at its settings.",
    upstream_invalid: "The model's provider sent something that is not an answer.",
    upstream_truncated: "The model's answer broke off before its end.",
    internal: "The server made a mistake. It has been written to its log.",
    network: "The connection to the server failed.",
    cut_off: "The answer was cut off before its end.",
    unexpected_reply: "Something other than the chat server replied.",
    interrupted: "The page was left before this answer was complete.",
  },
};

/** @typedef {typeof ENGLISH} Words */

/** @type {Words} */
const CHINESE = {
  tag: "zh-CN",
  newConversation: "新对话",
  skip: "跳到输入框",
  tagline: "流式对话。模型写下的每个字，你都即时看到。",
  startersLabel: "试试这些",
  starters: [
    ["表格与代码", "用表格比较在 Flask 中流式输出的做法，再给出代码。"],
    ["数学", "一个核能承载多少路流？请写出数学公式。"],
    ["English", "Introduce Sluice in English."],
  ],
  conversationLabel: "对话",
  you: "你",
  answer: "回答",
  messageLabel: "你的消息",
  placeholder: "想问什么都可以",
  hint: "回车发送，Shift+回车换行",
  modelLabel: "模型",
  send: "发送",
  stop: "停止",
  toEnd: "回到末尾",
  generating: "正在生成",
  complete: "回答完成",
  stopped: "已停止",
  stoppedNote: "你停止了这个回答。",
  lengthNote: "回答达到了模型的长度上限。",
  filterNote: "服务商的内容过滤中止了这个回答。",
  emptyNote: "模型发来了空的回答。",
  reasoning: "思考过程",
  copy: "复制",
  copied: "已复制",
  copyFailed: "复制被拒绝",
  copyAnswer: "复制回答",
  codeLabel: "代码",
  tableLabel: "表格",
  image: "图片",
  retry: "重试",
  dismiss: "关闭",
  demoNotice: "正在回答的是内置演示模型：它只是服务器上的一段脚本，不是语言模型。",
  configurationNotice: "服务器没有说明它的设置。页面按通常的设置继续。",
  storageNotice: "浏览器无法保存这段对话：存储已满或被关闭。重新加载会丢失未保存的内容。",
  tooLong: (most) => `消息太长，最多 ${most.toLocaleString("zh-CN")} 个字符。`,
  wait: (seconds) => `请等待 ${seconds} 秒后重试。`,
  reference: (id) => `编号：${id}`,
  failures: {
    invalid_request: "服务器无法接受这条消息。",
    too_large: "对话太长，无法发送。请开始新对话，或缩短消息。",
    overloaded: "服务器繁忙：回答名额已满。",
    shutting_down: "服务器正在重启。",
    upstream_unavailable: "无法连接模型服务商。",
    upstream_timeout: "模型用时过长。",
    upstream_rate_limited: "模型服务商要求减少请求。",
    upstream_rejected: "模型服务商拒绝了请求。请让服务器的管理者检查设置。",
    upstream_invalid: "模型服务商发来的内容不是回答。",
    upstream_truncated: "模型的回答没有写完就中断了。",
    internal: "服务器出错了，错误已写入日志。",
    network: "与服务器的连接失败。",
    cut_off: "回答没有写完就断开了。",
    unexpected_reply: "回复的不是聊天服务器。",
    interrupted: "回答完成之前页面被关闭了。",
  },
};

/**
 * @param {readonly string[]} preferred language tags, the most wanted first
 * @returns {Words}
 */
export function wordsFor(preferred) {
  const first = preferred.find((tag) => /^(zh|en)\b/i.test(tag));
  return first && /^zh\b/i.test(first) ? CHINESE : ENGLISH;
}

export const words = wordsFor(navigator.languages);

/**
 * @param {FailureRecord} failure
 * @returns {string} what happened, and how long to wait where the server said so
 */
export function sentenceFor(failure) {
  const code = failure.status === 413 ? "too_large" : failure.code;
  const sentence = words.failures[code] ?? words.failures.internal ?? "";
  if (!failure.retryAfter) return sentence;
  return `${sentence}${words.tag === "en" ? " " : ""}${words.wait(failure.retryAfter)}`;
}

/**
 * Writes the page's language into the document: `data-text` and `data-label` name the words an element takes.
 * @param {Document} document
 */
export function translate(document) {
  document.documentElement.lang = words.tag;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = word(element.getAttribute("data-text"));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.getAttribute("data-label")));
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.setAttribute("placeholder", word(element.getAttribute("data-placeholder")));
  }
}

/** @param {string | null} key */
function word(key) {
  const value = words[/** @type {keyof Words} */ (key)];
  if (typeof value !== "string") throw new Error(`No words for ${key}.`);
  return value;
}
