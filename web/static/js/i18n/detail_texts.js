/** The texts of an answer's details, in all languages. */

/** @typedef {typeof ENGLISH} DetailTexts */

const ENGLISH = {
  firstToken: "Time to first token",
  totalTime: "Total time",
  tokensPerSecond: "Tokens per second",
  usage: "Tokens",
  /**
   * @param {string} prompt
   * @param {string} completion
   * @param {boolean} estimated
   */
  tokens: (prompt, completion, estimated) => `${prompt} input, ${completion} output${estimated ? " (estimated)" : ""}`,
  notCounted: "not counted: the answer did not finish",
  cost: "Cost",
};

/** @type {DetailTexts} */
const CHINESE = {
  firstToken: "首个 token 用时",
  totalTime: "总用时",
  tokensPerSecond: "每秒 token 数",
  usage: "token 用量",
  tokens: (prompt, completion, estimated) => `输入 ${prompt}，输出 ${completion}${estimated ? "（估算）" : ""}`,
  notCounted: "未统计：回答没有完成",
  cost: "费用",
};

export const DETAIL_TEXTS = { ENGLISH, CHINESE };
