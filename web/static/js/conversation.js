/** The conversation: questions with their answers, oldest first. Pure data; knows no DOM and no network. */

/** @typedef {import("./failure.js").FailureRecord} FailureRecord */
/** @typedef {import("./chat_request.js").Message} Message */

/**
 * @typedef {"running" | "complete" | "stopped" | "failed"} AnswerState
 *
 * @typedef {object} Exchange
 * @property {string} question
 * @property {string} answer what has come so far
 * @property {string} reasoning
 * @property {AnswerState} state
 * @property {string} [finishReason] where the answer is complete
 * @property {FailureRecord} [failure] where it failed
 */

export class Conversation {
  /** @param {Exchange[]} exchanges */
  constructor(exchanges = []) {
    this.exchanges = exchanges;
  }

  get empty() {
    return this.exchanges.length === 0;
  }

  /**
   * @param {string} question
   * @returns {Exchange}
   */
  begin(question) {
    const exchange = newExchange(question);
    this.exchanges.push(exchange);
    return exchange;
  }

  /**
   * Empties an exchange for another attempt.
   * @param {Exchange} exchange
   */
  restart(exchange) {
    delete exchange.failure;
    delete exchange.finishReason;
    Object.assign(exchange, newExchange(exchange.question));
  }

  /**
   * What the model is told of the past: finished exchanges only, always in pairs, so that it never sees a
   * question whose answer broke off. The oldest go first when there are too many.
   *
   * @param {Exchange} exchange the one being asked
   * @param {number} maxMessages
   * @returns {Message[]}
   */
  historyBefore(exchange, maxMessages) {
    const past = this.exchanges
      .slice(0, this.exchanges.indexOf(exchange))
      .filter(({ state, answer }) => state === "complete" && answer.trim() !== "");
    const pairs = Math.floor(maxMessages / 2);
    return past.slice(Math.max(0, past.length - pairs)).flatMap(({ question, answer }) => [
      { role: /** @type {const} */ ("user"), content: question },
      { role: /** @type {const} */ ("assistant"), content: answer },
    ]);
  }
}

/**
 * @param {string} question
 * @returns {Exchange}
 */
function newExchange(question) {
  return { question, answer: "", reasoning: "", state: "running" };
}
