/** The answers that this tab receives, of all conversations: they go on while another conversation is shown. */

import { mayTakeImages } from "../api/configuration.js";
import { awaitsDecision, callsOf, withDecision } from "../conversation/answer_parts.js";
import { INTERRUPTED, finish, isAhead, newRun, reopen, setRun } from "../conversation/exchange.js";
import { AnswersElsewhere } from "./answers_elsewhere.js";
import { TabPermissions } from "./tab_permissions.js";
import { discardRun, questionOf, Run, sendConsent } from "./run.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./run.js").Outcome} Outcome */

/**
 * @typedef {object} RequestOptions how the next answer of a conversation is requested
 * @property {Configuration} configuration of the server, or the default until it is known
 * @property {Configuration["mode"]} mode
 * @property {string} model empty for the server's own choice
 * @property {import("../conversation/tuning.js").Tuning} tuning
 *
 * @typedef {object} AnswerEvents the conversations may be shown or not
 * @property {(conversation: Conversation) => RequestOptions} options
 * @property {() => Promise<void> | null} configured fulfilled when the configuration is known; null from then on
 * @property {(id: string) => Promise<Conversation>} read
 * @property {(conversation: Conversation, asked: Exchange | null) => void} begun null: another page has requested the answer
 * @property {(conversation: Conversation, exchange: Exchange) => void} grown
 * @property {(conversation: Conversation, exchange: Exchange, obstacle: import("../conversation/exchange.js").Obstacle | null) => void} connectionChanged
 * @property {(conversation: Conversation, exchange: Exchange) => void} ended
 * @property {(conversation: Conversation) => void} updated an answer that another tab was writing is written no more
 * @property {(id: string) => void} stored this tab has stored the end of an answer for another one that was closed
 * @property {() => void} awaitingChanged in this tab or another one
 */

/** @type {Outcome} */
const DELETED = { state: "stopped", stopReason: "deleted" };
const CONFIGURATION_MS = 2000; // for which a question waits for the server's configuration

export class RunningAnswers {
  #store;
  #events;
  /** @type {Set<Run>} */
  #runs = new Set();
  #permissions;

  /**
   * @param {ConversationStore} store
   * @param {AnswerEvents} events
   */
  constructor(store, events) {
    this.#store = store;
    this.#events = events;
    /** Those that other pages have requested. */
    this.elsewhere = new AnswersElsewhere(store, {
      isReceived: (exchange) => this.#runOf(exchange) !== undefined,
      isAheadOfStore: (exchange) => this.isAheadOfStore(exchange),
      follow: (conversation, exchange) => this.#follow(conversation, exchange),
      askAgain: (conversation, exchange) => void this.#askAgain(conversation, exchange),
      updated: (conversation) => events.updated(conversation),
      read: (id) => events.read(id),
    });
    this.#permissions = new TabPermissions({
      changed: () => events.awaitingChanged(),
      decided: (exchange, call, decision) => {
        const run = [...this.#runs].find((each) => each.exchange.id === exchange);
        if (run?.exchange.parts) this.#applyDecision(run.conversation, run.exchange, call, decision);
      },
      left: (conversation) => this.elsewhere.followUnreceived(conversation),
    });
  }

  /** The conversations with a tool that waits for the reader's permission, here or in another tab. */
  get awaiting() {
    const own = [...this.#runs].filter(isAwaiting).map(({ conversation }) => conversation.id);
    return [...new Set([...own, ...this.#permissions.conversations])];
  }

  /** @param {string} conversation @returns {Exchange[]} those with an answer that this tab receives, in which a tool waits so */
  awaitingHere(conversation) {
    return this.#runsOf(conversation).filter(isAwaiting).map(({ exchange }) => exchange);
  }

  /** @param {string} conversation @returns {Exchange[]} those with an answer that this tab receives */
  runningHere(conversation) {
    return this.#runsOf(conversation).map(({ exchange }) => exchange);
  }

  /** @param {string} id @returns {Conversation | undefined} the conversation if it has a running answer */
  conversation(id) {
    return this.#runsOf(id)[0]?.conversation;
  }

  /** @param {string} conversation @returns {boolean} whether an answer is running that other devices could not follow yet */
  isUnnamed(conversation) {
    return this.#runsOf(conversation).some(({ exchange }) => !exchange.run?.id);
  }

  /** @param {Exchange} exchange @returns {boolean} whether this tab may have more of it than the database */
  isAheadOfStore(exchange) {
    return this.#runOf(exchange)?.isIdle === false || this.#store.hasPendingWrite(exchange);
  }

  /**
   * Requests the answer, or the rest of it.
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  async request(conversation, exchange) {
    reopen(exchange);
    this.#keep(conversation, exchange);
    const run = new Run(conversation, exchange);
    this.#runs.add(run);
    this.#store.save(conversation, [exchange], { isAsked: true });
    this.#events.begun(conversation, exchange);
    const configured = this.#events.configured();
    if (configured) {
      await Promise.race([configured, new Promise((resolve) => setTimeout(resolve, CONFIGURATION_MS))]);
      if (!this.#runs.has(run)) return; // the page was left, or the conversation deleted
      this.#keep(conversation, exchange);
    }
    await this.#request(run);
  }

  /**
   * Tells the server whether a tool may be called.
   * @param {Conversation} conversation
   * @param {Exchange} exchange still running
   * @param {import("../conversation/answer_parts.js").ToolCall} call
   * @param {boolean} isAllowed
   * @returns {Promise<import("../api/run_control.js").ConsentOutcome>}
   */
  async decide(conversation, exchange, call, isAllowed) {
    const decide = (/** @type {import("./tab_permissions.js").Decision} */ decision) => {
      this.#permissions.tellDecision(exchange.id, call.id, decision);
      this.#applyDecision(conversation, exchange, call.id, decision);
    };
    if (isAllowed) decide("sent"); // from now on the tool may run, whatever becomes of the reply
    const outcome = await sendConsent(exchange.run?.id ?? "", call.id, isAllowed);
    // The tool's result, and the end of the answer, may have come before this reply.
    if ((outcome !== "decided" && outcome !== "elsewhere") || !exchange.parts) return outcome;
    decide(outcome === "elsewhere" ? outcome : isAllowed ? "allowed" : "denied");
    return outcome;
  }

  /** Reports the connection of each answer of a conversation that is shown again. @param {string} id */
  reportConnections(id) {
    for (const run of this.#runsOf(id)) this.#reportConnection(run);
  }

  /** Stops the answers of a conversation. The received text stays. @param {string} id */
  stop(id) {
    for (const run of this.#runsOf(id)) run.stop();
  }

  /** Ends an answer that is being deleted. @param {Exchange} exchange */
  discard(exchange) {
    if (exchange.state !== "running") return;
    const run = this.#runOf(exchange);
    if (run) {
      run.discard();
      void this.#end(run, DELETED);
    } else {
      discardRun(exchange.run?.id ?? "");
      finish(exchange, DELETED);
    }
  }

  /** Stops and saves the answers of a conversation, before its deletion. @param {string} id */
  async settle(id) {
    for (const run of this.#runsOf(id)) {
      run.discard();
      run.isWriter = true; // also if another tab is: it has yet to learn of the deletion
      await this.#end(run, DELETED);
    }
  }

  /**
   * Receives no more of a conversation that was deleted. Who has deleted it has stopped the answers that the server keeps.
   * @param {string} id
   */
  forget(id) {
    for (const run of this.#runsOf(id)) this.#forgetRun(run);
  }

  /**
   * Waits no more for answers whose ends other tabs have stored.
   * @param {string} id of a conversation that was read again
   */
  endIdle(id) {
    for (const run of this.#runsOf(id)) {
      if (!run.isIdle || run.exchange.state === "running") continue;
      this.#forgetRun(run);
      this.#events.ended(run.conversation, run.exchange);
    }
  }

  /**
   * Ends and saves all answers, before the page is unloaded. They can be continued later. Those that the server keeps go
   * on.
   */
  leave() {
    for (const run of this.#runs) {
      if (!run.isKept) void this.#end(run, { state: "failed", failure: INTERRUPTED });
      else if (run.isQueued) setRun(run.exchange, { asked: Date.now() }); // the next page sends it
      if (run.isKept && run.isWriter) this.#store.save(run.conversation, [run.exchange], { isGrowth: true });
    }
    this.#permissions.leave();
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   * @param {string} call
   * @param {import("./tab_permissions.js").Decision} decision
   */
  #applyDecision(conversation, exchange, call, decision) {
    const run = this.#runOf(exchange);
    exchange.parts = withDecision(exchange.parts ?? [], call, decision);
    // the server tells other devices of the result only: they read the decision in the conversation
    if (run?.isWriter) this.#store.save(conversation, [exchange], { isGrowth: decision === "sent" });
    this.#events.grown(conversation, exchange);
    if (run) this.#tellAwaiting(run);
  }

  /** Tells this tab and the others whether a tool of the answer waits for a permission. @param {Run} run */
  #tellAwaiting(run) {
    this.#permissions.tell(run.exchange.id, run.conversation.id, this.#runs.has(run) && isAwaiting(run));
    this.#events.awaitingChanged();
  }

  /** @param {Run} run of an exchange without an answer, or with one whose rest is wanted */
  async #request(run) {
    const { conversation, exchange } = run;
    const { configuration, mode, model, tuning } = this.#events.options(conversation);
    const { maxHistory: maxMessages, maxMessageChars: maxChars, maxBodyBytes: maxBytes } = configuration;
    const question = { ...questionOf(conversation, exchange), ...tuning, mode, model };
    const usedModel = model || configuration.model;
    if (usedModel) setRun(exchange, { model: usedModel });
    const limits = { maxMessages, maxChars, maxBytes, takesImages: mayTakeImages(configuration) };
    await this.#receive(run, usedModel, (events) => run.ask(question, limits, events));
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
    await this.#events.configured();
    if (this.#runs.has(run)) await this.#request(run);
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  #take(conversation, exchange) {
    const run = new Run(conversation, exchange, { follows: true });
    this.#runs.add(run);
    this.#events.begun(conversation, null);
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
    if (wasAwaiting) this.#tellAwaiting(run);
    const isGrowth = () => exchange.run?.id !== undefined && exchange.run.id !== "";
    const outcome = await work({
      grown: () => {
        if (run.isWriter) this.#store.save(conversation, [exchange], { isGrowth: isGrowth() });
        this.#events.grown(conversation, exchange);
        if (isAwaiting(run) === wasAwaiting) return;
        wasAwaiting = !wasAwaiting;
        this.#tellAwaiting(run);
      },
      named: () => run.isWriter && this.#store.save(conversation, [exchange]),
      connectionChanged: () => this.#reportConnection(run),
    });
    if (exchange.figures && model) exchange.figures.model = model;
    const { currency } = this.#events.options(conversation).configuration;
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
    this.#permissions.tell(exchange.id, conversation.id, false);
    run.abort();
    finish(exchange, outcome);
    if (run.isWriter) this.#store.save(conversation, [exchange]);
    else exchange.changed = Date.now();
    this.#events.ended(conversation, exchange);
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
    this.#events.stored(conversation.id);
  }

  /**
   * Has the server keep the answer, if it can: then it goes on without its connection.
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  #keep(conversation, exchange) {
    const { configuration, mode } = this.#events.options(conversation);
    if (configuration.isResumable && mode === "stream") exchange.run = newRun();
  }

  /** @param {Run} run */
  #forgetRun(run) {
    this.#runs.delete(run);
    this.#tellAwaiting(run);
    run.abort();
    run.release();
  }

  /** @param {Run} run */
  #reportConnection({ conversation, exchange, obstacle }) {
    if (exchange.state === "running") this.#events.connectionChanged(conversation, exchange, obstacle);
  }

  /** @param {string} conversation */
  #runsOf(conversation) {
    return [...this.#runs].filter((run) => run.conversation.id === conversation);
  }

  /** @param {Exchange} exchange @returns {Run | undefined} if this tab receives its answer */
  #runOf(exchange) {
    return [...this.#runs].find((run) => run.exchange === exchange);
  }
}

/** @param {Run} run @returns {boolean} whether a tool of it waits for the reader's permission */
function isAwaiting({ exchange }) {
  return callsOf(exchange.parts).some(awaitsDecision);
}
