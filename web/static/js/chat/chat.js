/** The controller of the chat: requests answers, shows and stores them. */

import { DEFAULT_CONFIGURATION } from "../api/configuration.js";
import { Conversation } from "../conversation/conversation.js";
import { awaitsDecision, callsOf, withDecision } from "../conversation/answer_parts.js";
import { ConversationReader } from "./conversation_reader.js";
import { moveDraft, draftOwnerOf } from "../storage/draft.js";
import { readDraftTuning, saveDraftTuning } from "../storage/draft_tuning.js";
import { INTERRUPTED, finish, forgetReasoning, isAhead, newRun, reopen, setRun } from "../conversation/exchange.js";
import { texts } from "../i18n/language.js";
import { discardRun, isLocked, questionOf, Run, sendConsent, waitUntilUnlocked } from "./run.js";
import { allowedTuning } from "../conversation/tuning.js";
import { titleFrom } from "../conversation/title.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./run.js").Outcome} Outcome */
/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */
/** @typedef {"awaiting" | "generating" | "unseen"} Mark of a conversation in the list, also the key of its name */

/**
 * @typedef {object} ChatView called for changes of the shown conversation, unless it says otherwise
 * @property {(conversation: Conversation) => void} shown another conversation or path is shown
 * @property {(conversation: Conversation) => void} readingEnded a conversation, shown or not, was read or could not be
 * @property {(replacement: Conversation) => void} missing it is not in this browser; the replacement is shown next
 * @property {(exchange: Exchange) => void} asked
 * @property {(exchange: Exchange) => void} grown
 * @property {(exchange: Exchange) => void} ended
 * @property {(exchange: Exchange, isReconnecting: boolean) => void} reconnecting
 * @property {(running: boolean) => void} running
 * @property {() => void} marked the mark of a conversation has changed, shown or not
 * @property {(id: string) => void} endedElsewhere the answer of a conversation that is not shown has ended
 * @property {(status: string) => void} status a text for screen readers
 * @property {() => void} draftNotSaved the browser refuses to store what was chosen for a new conversation
 */

/** @type {Outcome} */
const DELETED = { state: "stopped", stopReason: "deleted" };
const CONFIGURATION_MS = 2000; // for which a question waits for the server's configuration
const ASKED_MS = 60_000; // a question that a closed page may not have sent is sent again within this time
const KEPT_MS = 600_000; // the server's default for how long an answer is kept
const MOST_FOLLOWED = 5; // conversations with running answers, of which another page was closed

export class Chat {
  /** @type {Configuration} */
  configuration = DEFAULT_CONFIGURATION;
  #setConfigured = () => {};
  /** Fulfilled when the configuration is known, or cannot be read; null from then on. @type {Promise<void> | null} */
  #configured = new Promise((resolve) => (this.#setConfigured = resolve));
  /** @type {Configuration["mode"]} */
  mode = DEFAULT_CONFIGURATION.mode;
  /** The model that the reader chose; empty for the server's own choice. */
  model = "";
  conversation = new Conversation();
  #store;
  #view;
  #reader;
  /** The running answers of all conversations: they go on while another one is shown. @type {Set<Run>} */
  #runs = new Set();
  /** Exchanges whose answers another tab seems to be writing. @type {Set<Exchange>} */
  #watched = new Set();
  /** Conversations with an answer that has ended while another one was shown. @type {Set<string>} */
  #unseen = new Set();

  /**
   * @param {ConversationStore} store
   * @param {ChatView} view
   */
  constructor(store, view) {
    this.#store = store;
    this.#view = view;
    this.#reader = new ConversationReader(store, (conversation, isMissing) => this.#onRead(conversation, isMissing));
  }

  /** @param {Configuration} configuration of the server, or the default if it cannot be read */
  configure(configuration) {
    this.configuration = configuration;
    this.#configured = null;
    this.#setConfigured();
  }

  /** Whether the start screen is shown: the conversation is new, or could not be read. */
  get isAtStart() {
    return this.conversation.isEmpty || this.conversation.contents === "unread";
  }

  /** Whether this tab is receiving an answer of the shown conversation. */
  get running() {
    return this.isRunning(this.conversation.id);
  }

  /** Whether a tool of a running answer waits for the reader's permission. */
  get isAwaitingDecision() {
    return this.awaiting.includes(this.conversation.id);
  }

  /** The conversations with a tool that waits for the reader's permission. */
  get awaiting() {
    return [...this.#runs].filter(isAwaiting).map(({ conversation }) => conversation.id);
  }

  /** @param {string} conversation @returns {Mark | null} */
  markOf(conversation) {
    if (this.awaiting.includes(conversation)) return "awaiting";
    if (this.isRunning(conversation)) return "generating";
    return this.#unseen.has(conversation) ? "unseen" : null;
  }

  /** The system prompt and the temperature of the shown conversation, as far as they are allowed. @returns {Tuning} */
  get tuning() {
    return this.#tuningOf(this.conversation);
  }

  /**
   * Changes them, for the next answers. Of a new conversation, they are kept with its draft until the first question.
   * @param {Tuning} changes undefined removes a value
   * @param {Conversation} [conversation] the shown one if omitted
   */
  tune(changes, conversation = this.conversation) {
    const { id, record } = conversation;
    Object.assign(record, changes);
    if (!conversation.isEmpty) void this.#store.changeRecord(id, changes);
    else if (!saveDraftTuning(record)) this.#view.draftNotSaved();
  }

  /** @param {string} conversation */
  isRunning(conversation) {
    return this.#runsOf(conversation).length > 0;
  }

  /** @param {string} conversation @returns {boolean} whether an answer is running that other devices could not follow yet */
  isUnnamed(conversation) {
    return this.#runsOf(conversation).some(({ exchange }) => !exchange.run?.id);
  }

  /**
   * Asks a question. If the conversation could not be read, the question starts a new one.
   * @param {string} message
   * @param {Conversation} [conversation] one that is not being read; the shown one if omitted
   * @param {import("../conversation/exchange.js").ImageReference[]} [images]
   */
  send(message, conversation = this.conversation, images = []) {
    if (this.isRunning(conversation.id)) return;
    if (conversation.contents === "unread") {
      const { systemPrompt, temperature } = conversation.record;
      conversation = new Conversation();
      this.show(conversation);
      this.tune({ ...(systemPrompt && { systemPrompt }), ...(temperature !== undefined && { temperature }) }, conversation);
    }
    const isFirst = conversation.isEmpty;
    const exchange = conversation.append(message);
    if (images.length > 0) exchange.images = images;
    if (isFirst) saveDraftTuning({});
    void this.#answer(conversation, exchange);
  }

  /** Requests another answer. The present answer stays as a branch. @param {Exchange} exchange */
  regenerate(exchange) {
    if (this.running) return;
    if (exchange.answer !== "") {
      const branch = this.conversation.branch(exchange);
      // the branch replaces the exchange on the page, so the draft moves with it
      moveDraft(draftOwnerOf(exchange), draftOwnerOf(branch));
      return void this.#answer(this.conversation, branch);
    }
    forgetReasoning(exchange);
    void this.#answer(this.conversation, exchange);
  }

  /**
   * Asks an edited question. The original exchange stays as a branch.
   * @param {Exchange} exchange
   * @param {string} question
   * @returns {boolean} false while another answer is running
   */
  edit(exchange, question) {
    if (this.running) return false;
    this.#retitle(exchange, question);
    void this.#answer(this.conversation, this.conversation.branch(exchange, question));
    return true;
  }

  /**
   * Tells the server whether a tool may be called.
   * @param {Exchange} exchange still running
   * @param {import("../conversation/answer_parts.js").ToolCall} call
   * @param {boolean} isAllowed
   * @returns {Promise<import("../api/run_control.js").ConsentOutcome>}
   */
  async decide(exchange, call, isAllowed) {
    const { conversation } = this;
    const run = [...this.#runs].find((each) => each.exchange === exchange);
    const outcome = await sendConsent(exchange.run?.id ?? "", call.id, isAllowed);
    // The tool's result, and the end of the answer, may have come before this reply.
    if ((outcome !== "decided" && outcome !== "elsewhere") || !exchange.parts) return outcome;
    exchange.parts = withDecision(exchange.parts, call, outcome === "elsewhere" ? outcome : isAllowed ? "allowed" : "denied");
    if (run?.isWriter) this.#store.save(conversation, [exchange], { isGrowth: true });
    if (this.conversation === conversation) this.#view.grown(exchange);
    this.#view.marked();
    return outcome;
  }

  /** Requests the rest of an incomplete answer. @param {Exchange} exchange */
  resume(exchange) {
    if (!this.running) void this.#answer(this.conversation, exchange);
  }

  /** Shows a branch. @param {Exchange} exchange */
  choose(exchange) {
    this.conversation.choose(exchange);
    this.#store.save(this.conversation, []);
    this.#view.shown(this.conversation);
  }

  /** Shows the branch with an exchange of the shown conversation, if another one is shown. @param {string} id */
  reveal(id) {
    if (!this.conversation.chooseAll(id)) return;
    this.#store.save(this.conversation, []);
    this.#view.shown(this.conversation);
  }

  /**
   * Deletes one question with its answer.
   * @param {Exchange} exchange
   * @returns {() => Promise<void>} restores it
   */
  delete(exchange) {
    const { conversation } = this;
    this.#discard(exchange);
    const removal = conversation.remove(exchange);
    this.#store.save(conversation, removal.children);
    void this.#store.deleteExchange(conversation, exchange);
    this.#view.shown(conversation);
    return () => this.#restore(conversation.id, removal);
  }

  /** Stops the running answer. The received text stays. */
  stop() {
    for (const run of this.#runsOf(this.conversation.id)) run.stop();
  }

  /**
   * Shows a stored conversation at once. Its exchanges follow when they have been read.
   * @param {string} id
   */
  open(id) {
    this.show(this.#inUse(id));
  }

  /**
   * Shows another conversation. A running answer of the previous one continues.
   * @param {Conversation} [conversation] a new one if omitted
   */
  show(conversation = new Conversation()) {
    this.conversation = this.#runsOf(conversation.id)[0]?.conversation ?? conversation;
    this.#unseen.delete(this.conversation.id);
    if (this.conversation.isEmpty) Object.assign(this.conversation.record, readDraftTuning());
    this.#view.shown(this.conversation);
    this.#view.running(this.running);
    this.#view.status(this.running ? texts.generating : "");
    for (const run of this.#runsOf(this.conversation.id)) this.#showConnection(run);
    this.#watch();
  }

  /** Shows what another tab has saved. @param {string} id of the conversation */
  async refresh(id) {
    const conversation = this.#runsOf(id)[0]?.conversation ?? this.conversation;
    if (conversation.id !== id) return;
    await this.#reader.wait(id); // what it reads may be older
    if (conversation.contents !== "read") {
      if (this.conversation === conversation) this.open(id); // it could not be read before
      return;
    }
    const stored = await this.#store.load(id);
    if (!stored) return;
    conversation.merge(stored, (exchange) => this.#isWritingHere(exchange) || this.#store.hasPendingWrite(exchange));
    if (this.conversation !== conversation) return;
    this.#view.shown(conversation);
    this.#watch();
  }

  /** Stops and saves the running answers of a conversation, before its deletion. @param {string} id */
  async settle(id) {
    for (const run of this.#runsOf(id)) {
      run.discard();
      run.isWriter = true; // also if another tab is: it has yet to learn of the deletion
      await this.#end(run, DELETED);
    }
  }

  /**
   * Ends the running answers of a conversation that was deleted. Who has deleted it has stopped those that the server
   * keeps.
   * @param {string} id
   */
  forget(id) {
    this.#reader.forget(id);
    for (const run of this.#runsOf(id)) {
      this.#runs.delete(run);
      run.abort();
      run.release();
    }
  }

  /**
   * Ends and saves all running answers, before the page is unloaded. They can be continued later. Those that the server
   * keeps go on.
   */
  leave() {
    for (const run of this.#runs) {
      if (!run.isKept) void this.#end(run, { state: "failed", failure: INTERRUPTED });
      else if (run.isWriter) this.#store.save(run.conversation, [run.exchange], { isGrowth: true });
    }
    this.#store.prepareForUnload();
  }

  /** Follows answers that a closed page has requested, of conversations that are not shown. Call when the store is open. */
  async followOthers() {
    const since = Date.now() - KEPT_MS;
    const recent = this.#store.list.filter(({ id, changed }) => changed > since && id !== this.conversation.id);
    for (const { id } of recent.slice(0, MOST_FOLLOWED)) {
      const stored = await this.#store.load(id);
      const running = stored?.exchanges.filter(({ state, run }) => state === "running" && run?.id) ?? [];
      const locked = await Promise.all(running.map((exchange) => isLocked(exchange.id)));
      if (!locked.includes(false)) continue; // another tab receives them
      const conversation = this.#inUse(id);
      await this.#reader.wait(id);
      this.#watch(conversation);
    }
  }

  /**
   * Updates a title that was derived from the first question when that question is edited.
   * @param {Exchange} exchange
   * @param {string} question the edited question
   */
  #retitle(exchange, question) {
    const { id } = this.conversation;
    const title = this.#store.record(id)?.title;
    const { questions } = this.conversation.versionsOf(exchange);
    const isFirst = exchange.parent === null && questions.some((each) => titleFrom(each.question) === title);
    if (isFirst) void this.#store.rename(id, titleFrom(question));
  }

  /**
   * @param {string} id
   * @returns {Conversation} the object that is shown, answered or being read; otherwise a new one, being read
   */
  #inUse(id) {
    const shown = this.conversation.id === id ? this.conversation : undefined;
    const known = shown ?? this.#runsOf(id)[0]?.conversation ?? this.#reader.conversation(id);
    const conversation = known ?? Conversation.unread(id);
    if (conversation.contents === "unread") this.#reader.start(conversation);
    return conversation;
  }

  /**
   * @param {Conversation} conversation
   * @param {boolean} isMissing
   */
  #onRead(conversation, isMissing) {
    this.#view.readingEnded(conversation);
    if (this.conversation !== conversation) return;
    if (isMissing) {
      const replacement = new Conversation();
      this.#view.missing(replacement);
      this.show(replacement);
    } else {
      this.#view.shown(conversation);
      this.#watch();
    }
  }

  /**
   * Requests the answer, or the rest of it.
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  async #answer(conversation, exchange) {
    const isShown = this.conversation === conversation;
    reopen(exchange);
    if (this.#isKept) exchange.run = newRun();
    const run = new Run(conversation, exchange);
    this.#runs.add(run);
    this.#store.save(conversation, [exchange]);
    if (isShown) this.#view.shown(conversation);
    this.#view.running(this.running);
    if (isShown) {
      this.#view.status(texts.generating);
      this.#view.asked(exchange);
    }
    if (this.#configured) {
      await Promise.race([this.#configured, new Promise((resolve) => setTimeout(resolve, CONFIGURATION_MS))]);
      if (!this.#runs.has(run)) return; // the page was left, or the conversation deleted
      if (this.#isKept) exchange.run = newRun();
    }
    await this.#request(run);
  }

  /** @param {Run} run of an exchange without an answer, or with one whose rest is wanted */
  async #request(run) {
    const { conversation, exchange } = run;
    const { mode, model } = this;
    const { maxHistory: maxMessages, maxMessageChars: maxChars, maxBodyBytes: maxBytes } = this.configuration;
    const question = { ...questionOf(conversation, exchange), ...this.#tuningOf(conversation), mode, model };
    const usedModel = model || this.configuration.model;
    if (usedModel) setRun(exchange, { model: usedModel });
    await this.#receive(run, usedModel, (events) => run.ask(question, { maxMessages, maxChars, maxBytes }, events));
  }

  /**
   * Receives an answer that another page has requested. Until its tab is closed, that one stores it.
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  #follow(conversation, exchange) {
    const run = this.#take(conversation, exchange);
    void this.#receive(run, exchange.run?.model ?? "", (events) => run.follow(events));
  }

  /**
   * Sends a question again that a closed page may not have sent, or whose answer had no name yet.
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  async #askAgain(conversation, exchange) {
    const run = this.#take(conversation, exchange);
    await this.#configured;
    if (this.#runs.has(run)) await this.#request(run);
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  #take(conversation, exchange) {
    const run = new Run(conversation, exchange, { follows: true });
    this.#runs.add(run);
    this.#view.running(this.running);
    if (this.conversation === conversation) this.#view.status(texts.generating);
    return run;
  }

  /**
   * @param {Run} run
   * @param {string} model
   * @param {(events: import("./run.js").RunEvents) => Promise<Outcome>} work
   */
  async #receive(run, model, work) {
    const { conversation, exchange } = run;
    let wasAwaiting = isAwaiting(run);
    if (wasAwaiting) this.#view.marked();
    const isGrowth = () => exchange.run?.id !== undefined && exchange.run.id !== "";
    const outcome = await work({
      grown: () => {
        if (run.isWriter) this.#store.save(conversation, [exchange], { isGrowth: isGrowth() });
        if (this.conversation === conversation) this.#view.grown(exchange);
        if (isAwaiting(run) === wasAwaiting) return;
        wasAwaiting = !wasAwaiting;
        this.#view.marked();
      },
      named: () => run.isWriter && this.#store.save(conversation, [exchange]),
      connectionChanged: () => this.#showConnection(run),
    });
    if (exchange.figures && model) exchange.figures.model = model;
    const { currency } = this.configuration;
    if (exchange.figures?.usage?.cost !== undefined && currency) exchange.figures.currency = currency;
    // otherwise `leave`, `settle` or `forget` has ended this run already
    if (this.#runs.has(run)) await this.#end(run, outcome);
  }

  /**
   * @param {Run} run
   * @param {Outcome} outcome
   */
  async #end(run, outcome) {
    const { conversation, exchange } = run;
    this.#runs.delete(run);
    run.abort();
    finish(exchange, outcome);
    if (run.isWriter) this.#store.save(conversation, [exchange]);
    else exchange.changed = Date.now();
    if (this.conversation === conversation) {
      this.#view.running(this.running);
      this.#view.status(statusAfter(exchange));
      this.#view.ended(exchange);
    } else if (exchange.state !== "stopped") {
      this.#unseen.add(conversation.id);
      this.#view.endedElsewhere(conversation.id);
    }
    this.#view.marked();
    if (!run.isWriter) return void this.#saveForAnother(run);
    await this.#store.flush(); // before other tabs read it
    run.release();
  }

  /** Stores the end of an answer whose own tab was closed before it could. @param {Run} run */
  async #saveForAnother(run) {
    const { conversation, exchange } = run;
    await run.whenWriter;
    const stored = (await this.#store.load(conversation.id))?.exchanges.find(({ id }) => id === exchange.id);
    if (stored && isAhead(exchange, stored)) {
      this.#store.save(conversation, [exchange]);
      await this.#store.flush();
    }
    run.release();
    await this.refresh(conversation.id);
  }

  /**
   * Ends the answers of a conversation that was deleted, as far as no page receives them.
   * @param {Conversation} conversation
   */
  discardAll(conversation) {
    for (const exchange of conversation.exchanges) this.#discard(exchange);
  }

  /** Ends an answer that is being deleted. @param {Exchange} exchange */
  #discard(exchange) {
    if (exchange.state !== "running") return;
    const run = [...this.#runs].find((each) => each.exchange === exchange);
    if (run) {
      run.discard();
      void this.#end(run, DELETED);
    } else {
      discardRun(exchange.run?.id ?? "");
      finish(exchange, DELETED);
    }
  }

  /** @param {Run} run */
  #showConnection({ conversation, exchange, isReconnecting }) {
    if (this.conversation !== conversation || exchange.state !== "running") return;
    this.#view.reconnecting(exchange, isReconnecting);
    this.#view.status(isReconnecting ? texts.reconnecting : texts.generating);
  }

  /** Whether the next answer goes on without its connection. */
  get #isKept() {
    return this.configuration.isResumable && this.mode === "stream";
  }

  /** @param {string} conversation */
  #runsOf(conversation) {
    return [...this.#runs].filter((run) => run.conversation.id === conversation);
  }

  /**
   * @param {string} id the conversation; its object may have been replaced since the removal
   * @param {import("../conversation/conversation.js").Removal} removal
   */
  async #restore(id, removal) {
    const conversation = this.#inUse(id);
    await this.#reader.wait(id);
    if (conversation.contents !== "read") return; // the store has reported the failure
    this.#store.save(conversation, conversation.restore(removal));
    if (this.conversation === conversation) this.#view.shown(conversation);
  }

  /** @param {Conversation} conversation @returns {Tuning} */
  #tuningOf({ id, record }) {
    return allowedTuning(this.#store.record(id) ?? record, this.configuration);
  }

  /**
   * Follows answers that the server keeps. Waits for the end of others that other tabs are writing, and then updates them.
   * @param {Conversation} [conversation] the shown one if omitted
   */
  #watch(conversation = this.conversation) {
    for (const exchange of conversation.exchanges) {
      if (exchange.state !== "running" || this.#isWritingHere(exchange)) continue;
      if (exchange.run?.id) {
        this.#follow(conversation, exchange);
      } else if (!this.#watched.has(exchange)) {
        this.#watched.add(exchange);
        void waitUntilUnlocked(exchange.id).then(() => this.#onUnlocked(conversation, exchange));
      }
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange no tab is writing it; the database may have its end
   */
  async #onUnlocked(conversation, exchange) {
    this.#watched.delete(exchange);
    if (exchange.state !== "running") return; // its tab has saved how it ended
    const stored = await this.#store.load(conversation.id);
    if (stored) conversation.merge(stored, (each) => this.#isWritingHere(each) || this.#store.hasPendingWrite(each));
    if (this.#isWritingHere(exchange)) return;
    const { run } = exchange;
    if (exchange.state === "running" && run?.id) return this.#follow(conversation, exchange);
    if (exchange.state === "running" && run && Date.now() - run.asked < ASKED_MS) return void this.#askAgain(conversation, exchange);
    // not saved: its own tab, or the next page, may still save more of it
    if (exchange.state === "running") Object.assign(exchange, { state: "failed", failure: INTERRUPTED });
    if (this.conversation === conversation) this.#view.shown(conversation);
  }

  /** @param {Exchange} exchange */
  #isWritingHere(exchange) {
    return [...this.#runs].some((run) => run.exchange === exchange);
  }
}

/** @param {Run} run @returns {boolean} whether a tool of it waits for the reader's permission */
function isAwaiting({ exchange }) {
  return callsOf(exchange.parts).some(awaitsDecision);
}

/** @param {Exchange} exchange */
function statusAfter({ state }) {
  if (state === "complete") return texts.complete;
  return state === "stopped" ? texts.stopped : ""; // a failure is an alert of its own
}
