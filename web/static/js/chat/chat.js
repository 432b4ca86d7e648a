/** The chat: asks, shows, keeps. Everything else on the page only reports to it or is told by it. */

import { waitUntilUnlocked } from "./answer_lock.js";
import { DEFAULT_CONFIGURATION } from "../api/configuration.js";
import { Conversation } from "../conversation/conversation.js";
import { moveDraft, draftOwnerOf } from "../storage/draft.js";
import { INTERRUPTED, finish, forgetReasoning, reopen } from "../conversation/exchange.js";
import { texts } from "../i18n/language.js";
import { questionOf } from "./question.js";
import { Run } from "./run.js";
import { titleFrom } from "../conversation/title.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./run.js").Outcome} Outcome */

/**
 * @typedef {object} ChatView what the chat tells the page, always of the conversation that is shown
 * @property {(conversation: Conversation) => void} shown another conversation, or other exchanges of it
 * @property {(exchange: Exchange) => void} asked
 * @property {(exchange: Exchange) => void} grown
 * @property {(exchange: Exchange) => void} ended
 * @property {(running: boolean) => void} running
 * @property {(status: string) => void} status words for the reader who does not see the page
 */

export class Chat {
  /** @type {Configuration} */
  configuration = DEFAULT_CONFIGURATION;
  /** @type {Configuration["mode"]} */
  mode = DEFAULT_CONFIGURATION.mode;
  /** The model that the reader chose; empty for the server's own choice. */
  model = "";
  conversation = new Conversation();
  #store;
  #view;
  /** By conversation: each can be written on while another one is shown. @type {Map<string, Run>} */
  #runs = new Map();
  /** Exchanges that another tab seems to write. @type {Set<Exchange>} */
  #watched = new Set();

  /**
   * @param {ConversationStore} store
   * @param {ChatView} view
   */
  constructor(store, view) {
    this.#store = store;
    this.#view = view;
  }

  /** Whether an answer of the shown conversation is being written, by this tab. */
  get running() {
    return this.isRunning(this.conversation.id);
  }

  /** @param {string} conversation */
  isRunning(conversation) {
    return this.#runs.has(conversation);
  }

  /** @param {string} message */
  send(message) {
    if (!this.running) void this.#answer(this.conversation.append(message));
  }

  /** @param {Exchange} exchange gets another answer; the one that it has stays, as a branch */
  regenerate(exchange) {
    if (this.running) return;
    if (exchange.answer !== "") {
      const branch = this.conversation.branch(exchange);
      moveDraft(draftOwnerOf(exchange), draftOwnerOf(branch)); // the question stands where it stood, and its new wording with it
      return void this.#answer(branch);
    }
    forgetReasoning(exchange);
    void this.#answer(exchange);
  }

  /**
   * @param {Exchange} exchange
   * @param {string} question asks this in its place; what was there stays, as a branch
   * @returns {boolean} false while another answer is being written
   */
  edit(exchange, question) {
    if (this.running) return false;
    this.#retitle(exchange, question);
    void this.#answer(this.conversation.branch(exchange, question));
    return true;
  }

  /** @param {Exchange} exchange one whose answer was cut off: asks for the rest of it */
  resume(exchange) {
    if (!this.running) void this.#answer(exchange);
  }

  /** @param {Exchange} exchange shows this branch */
  choose(exchange) {
    this.conversation.choose(exchange);
    this.#store.save(this.conversation, []);
    this.#view.shown(this.conversation);
  }

  /**
   * Deletes one question with its answer.
   * @param {Exchange} exchange
   * @returns {() => Promise<void>} undoes it
   */
  delete(exchange) {
    const { conversation } = this;
    const removal = conversation.remove(exchange);
    this.#store.save(conversation, removal.children);
    void this.#store.deleteExchange(conversation, exchange);
    this.#view.shown(conversation);
    return () => this.#restore(conversation.id, removal);
  }

  /** Ends the running answer. What has come of it stays. */
  stop() {
    this.#runs.get(this.conversation.id)?.stop();
  }

  /**
   * Shows another conversation. An answer that is being written in this one goes on.
   * @param {Conversation} [conversation] a new one where none is given
   */
  show(conversation = new Conversation()) {
    this.conversation = this.#runs.get(conversation.id)?.conversation ?? conversation;
    this.#view.shown(this.conversation);
    this.#view.running(this.running);
    this.#view.status(this.running ? texts.generating : "");
    this.#watch();
  }

  /** @param {string} id of a conversation that another tab has written to */
  async refresh(id) {
    const conversation = this.#runs.get(id)?.conversation ?? this.conversation;
    if (conversation.id !== id) return;
    const stored = await this.#store.load(id);
    if (!stored) return;
    conversation.merge(stored, (exchange) => this.#isWritingHere(exchange) || this.#store.hasPendingWrite(exchange));
    if (this.conversation !== conversation) return;
    this.#view.shown(conversation);
    this.#watch();
  }

  /** Ends the running answer of a conversation that is about to be deleted. @param {string} id */
  async settle(id) {
    const run = this.#runs.get(id);
    if (run) await this.#end(run, { state: "stopped" });
  }

  /** @param {string} id of a conversation that another tab has deleted */
  forget(id) {
    const run = this.#runs.get(id);
    if (!run) return;
    this.#runs.delete(id);
    run.stop();
    run.release();
  }

  /** The page goes away, and the connections with it. What has come so far is stored, and can be continued. */
  leave() {
    for (const run of this.#runs.values()) void this.#end(run, { state: "failed", failure: INTERRUPTED });
    this.#store.prepareForUnload();
  }

  /**
   * A title that nobody chose is that of the first question, and goes with its wording.
   * @param {Exchange} exchange
   * @param {string} question is asked in its place
   */
  #retitle(exchange, question) {
    const { id } = this.conversation;
    const title = this.#store.record(id)?.title;
    const { questions } = this.conversation.versionsOf(exchange);
    const isFirst = exchange.parent === null && questions.some((each) => titleFrom(each.question) === title);
    if (isFirst) void this.#store.rename(id, titleFrom(question));
  }

  /** @param {Exchange} exchange of the shown conversation, new or with the beginning of an answer */
  async #answer(exchange) {
    const { conversation } = this;
    reopen(exchange);
    const run = new Run(conversation, exchange);
    this.#runs.set(conversation.id, run);
    this.#store.save(conversation, [exchange]);
    this.#view.shown(conversation);
    this.#view.running(true);
    this.#view.status(texts.generating);
    this.#view.asked(exchange);
    const { mode, model } = this;
    const question = questionOf(conversation, exchange, this.configuration.maxHistory);
    const outcome = await run.receive({ ...question, mode, model }, () => {
      this.#store.save(conversation, [exchange]);
      if (this.conversation === conversation) this.#view.grown(exchange);
    });
    // a run that has been ended meanwhile has its outcome: the page was left, or the conversation deleted
    if (this.#runs.get(conversation.id) === run) await this.#end(run, outcome);
  }

  /**
   * @param {Run} run
   * @param {Outcome} outcome
   */
  async #end(run, outcome) {
    const { conversation, exchange } = run;
    this.#runs.delete(conversation.id);
    run.stop();
    finish(exchange, outcome);
    this.#store.save(conversation, [exchange]);
    if (this.conversation === conversation) {
      this.#view.running(false);
      this.#view.status(statusAfter(exchange));
      this.#view.ended(exchange);
    }
    await this.#store.flush(); // before other tabs look
    run.release();
  }

  /**
   * @param {string} id of a conversation that may have been left and shown again since
   * @param {import("../conversation/conversation.js").Removal} removal
   */
  async #restore(id, removal) {
    const conversation = this.conversation.id === id ? this.conversation : await this.#store.load(id);
    if (!conversation) return;
    this.#store.save(conversation, conversation.restore(removal));
    if (this.conversation.id === id) this.#view.shown(conversation);
  }

  /** Answers that seem to be written by another tab are watched, so that none seems so after that tab is gone. */
  #watch() {
    const { conversation } = this;
    for (const exchange of conversation.exchanges) {
      if (exchange.state !== "running" || this.#isWritingHere(exchange) || this.#watched.has(exchange)) continue;
      this.#watched.add(exchange);
      void waitUntilUnlocked(exchange.id).then(() => this.#onUnlocked(conversation, exchange));
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange that no tab is writing; the database may have its end
   */
  async #onUnlocked(conversation, exchange) {
    this.#watched.delete(exchange);
    if (exchange.state !== "running") return; // its tab has said how it ended
    const stored = await this.#store.load(conversation.id);
    if (stored) conversation.merge(stored, (each) => this.#isWritingHere(each) || this.#store.hasPendingWrite(each));
    if (this.#isWritingHere(exchange)) return;
    // said in this view only: its own tab, or the next page, may still bring more of it
    if (exchange.state === "running") Object.assign(exchange, { state: "failed", failure: INTERRUPTED });
    if (this.conversation === conversation) this.#view.shown(conversation);
  }

  /** @param {Exchange} exchange */
  #isWritingHere(exchange) {
    return [...this.#runs.values()].some((run) => run.exchange === exchange);
  }
}

/** @param {Exchange} exchange */
function statusAfter({ state }) {
  if (state === "complete") return texts.complete;
  return state === "stopped" ? texts.stopped : ""; // a failure speaks for itself, as an alert
}
