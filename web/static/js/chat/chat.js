/** The controller of the chat: does what the reader wants, and shows what becomes of it. */

import { DEFAULT_CONFIGURATION } from "../api/configuration.js";
import { endedCallsOf } from "../conversation/answer_parts.js";
import { Conversation } from "../conversation/conversation.js";
import { ConversationReader } from "./conversation_reader.js";
import { moveDraft, draftOwnerOf } from "../storage/draft.js";
import { readDraftTuning, removeDraftTuning, saveDraftTuning } from "../storage/draft_tuning.js";
import { forgetReasoning } from "../conversation/exchange.js";
import { texts } from "../i18n/language.js";
import { RunningAnswers } from "./running_answers.js";
import { allowedTuning } from "../conversation/tuning.js";
import { UnseenAnswers } from "../storage/unseen_answers.js";
import { noteOf } from "../conversation/ending_note.js";
import { titleFrom } from "../conversation/title.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */
/** @typedef {"awaiting" | "generating" | "unseen"} Mark of a conversation in the list, also the key of its name */

/**
 * @typedef {object} ChatView called for changes of the shown conversation, unless it says otherwise
 * @property {(conversation: Conversation) => void} shown another conversation or path is shown
 * @property {(conversation: Conversation) => void} readingEnded a conversation, shown or not, was read or could not be
 * @property {(replacement: Conversation) => void} missing it is not in this browser; the replacement is shown next
 * @property {(conversation: Conversation) => Promise<void>} merged another tab has changed it, which is shown next
 * @property {(exchange: Exchange) => void} asked
 * @property {(exchange: Exchange) => void} grown
 * @property {(exchange: Exchange) => void} ended
 * @property {(exchange: Exchange, obstacle: import("../conversation/exchange.js").Obstacle | null) => void} connectionChanged
 * @property {(running: boolean) => void} running
 * @property {() => void} marked the mark of a conversation has changed, shown or not
 * @property {(id: string) => void} endedElsewhere the answer of a conversation that is not shown has ended
 * @property {(status: string) => void} status a text for screen readers
 * @property {() => void} draftNotSaved the browser refuses to store what was chosen for a new conversation
 */

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
  #unseen;

  /**
   * @param {ConversationStore} store
   * @param {ChatView} view
   */
  constructor(store, view) {
    this.#store = store;
    this.#view = view;
    this.#reader = new ConversationReader(store, (conversation, isMissing) => this.#onRead(conversation, isMissing));
    this.#unseen = new UnseenAnswers(() => {
      if (!document.hidden) this.#unseen.delete(this.conversation.id);
      view.marked();
    });
    /** The running answers of all conversations. */
    this.answers = new RunningAnswers(store, {
      options: (conversation) => {
        const { configuration, mode, model } = this;
        return { configuration, mode, model, tuning: this.#tuningOf(conversation) };
      },
      configured: () => this.#configured,
      read: (id) => this.#read(id),
      begun: (conversation, asked) => this.#onBegun(conversation, asked),
      grown: (conversation, exchange) => {
        if (this.conversation === conversation) view.grown(exchange);
      },
      connectionChanged: (conversation, exchange, obstacle) => {
        if (this.conversation !== conversation) return;
        view.connectionChanged(exchange, obstacle);
        view.status(obstacle ? texts[obstacle] : this.#runningStatus);
      },
      ended: (conversation, exchange) => this.#onEnded(conversation, exchange),
      updated: (conversation) => void this.#showMerged(conversation),
      stored: (id) => void this.refresh(id),
      awaitingChanged: () => view.marked(),
    });
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

  /** Those of the shown conversation with a running answer, in which a tool waits for the reader's permission. */
  get awaitingDecision() {
    return this.answers.awaitingHere(this.conversation.id);
  }

  /** Empty while a permission is waited for: the row of its tool announces that. */
  get #runningStatus() {
    return this.awaitingDecision.length > 0 ? "" : texts.generating;
  }

  /** @param {string} conversation @returns {Mark | null} */
  markOf(conversation) {
    if (this.answers.awaiting.includes(conversation)) return "awaiting";
    if (this.isRunning(conversation)) return "generating";
    return this.#unseen.has(conversation) && conversation !== this.conversation.id ? "unseen" : null;
  }

  /** The system prompt and the temperature of the shown conversation, as far as they are allowed. @returns {Tuning} */
  get tuning() {
    return this.#tuningOf(this.conversation);
  }

  /**
   * Changes them, for the next answers. Of a new conversation, they are kept with its draft until the first question. If
   * another tab has deleted the conversation since, they are those of the new one in its place.
   * @param {Tuning} changes undefined removes a value
   * @param {Conversation} [conversation] the shown one if omitted
   * @returns {void}
   */
  tune(changes, conversation = this.conversation) {
    const { id, record } = conversation;
    if (!conversation.isEmpty && !this.#store.record(id) && this.conversation.isEmpty) return this.tune(changes);
    Object.assign(record, changes);
    if (!conversation.isEmpty) void this.#store.changeRecord(id, changes);
    else if (!saveDraftTuning(record)) this.#view.draftNotSaved();
  }

  /**
   * Replaces both.
   * @param {Tuning} tuning
   * @param {Conversation} [conversation] the shown one if omitted
   */
  retune(tuning, conversation) {
    this.tune({ systemPrompt: undefined, temperature: undefined, ...tuning }, conversation);
  }

  /** @param {string} conversation */
  isRunning(conversation) {
    return this.answers.conversation(conversation) !== undefined;
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
    if (isFirst) removeDraftTuning(conversation.record);
    void this.answers.request(conversation, exchange);
  }

  /**
   * Requests another answer. The present answer stays as a branch. One without text goes on after the calls that it has made.
   * @param {Exchange} exchange
   * @param {boolean} isEdited whether its question has an open edit in this tab
   */
  regenerate(exchange, isEdited) {
    if (this.running) return;
    if (exchange.answer !== "") {
      const branch = this.conversation.branch(exchange);
      // the branch replaces the exchange on the page, so the draft moves with it; that of another tab stays
      if (isEdited) moveDraft(draftOwnerOf(exchange), draftOwnerOf(branch));
      return void this.answers.request(this.conversation, branch);
    }
    if (exchange.state === "complete" || endedCallsOf(exchange.parts).length === 0) forgetReasoning(exchange);
    void this.answers.request(this.conversation, exchange);
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
    void this.answers.request(this.conversation, this.conversation.branch(exchange, question));
    return true;
  }

  /** Requests the rest of an incomplete answer. @param {Exchange} exchange */
  resume(exchange) {
    if (!this.running) void this.answers.request(this.conversation, exchange);
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
    this.answers.discard(exchange);
    const removal = conversation.remove(exchange);
    this.#store.save(conversation, removal.children);
    void this.#store.deleteExchange(conversation, exchange);
    this.#view.shown(conversation);
    return () => this.#restore(conversation.id, removal);
  }

  /** Stops the running answer. The received text stays. */
  stop() {
    this.answers.stop(this.conversation.id);
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
    this.conversation = this.answers.conversation(conversation.id) ?? conversation;
    this.#unseen.delete(this.conversation.id);
    if (this.conversation.isEmpty) Object.assign(this.conversation.record, readDraftTuning());
    this.#view.shown(this.conversation);
    this.#view.running(this.running);
    if (!this.running) this.#view.status("");
    this.answers.reportConnections(this.conversation.id);
    this.answers.elsewhere.watch(this.conversation);
  }

  /** Shows what another tab has saved. @param {string} id of the conversation */
  async refresh(id) {
    const conversation = this.answers.conversation(id) ?? this.conversation;
    if (conversation.id !== id) return;
    await this.#reader.wait(id); // what it reads may be older
    if (conversation.contents !== "read") {
      if (this.conversation === conversation) this.open(id); // it could not be read before
      return;
    }
    const stored = await this.#store.load(id);
    if (!stored) return;
    conversation.merge(stored, (exchange) => this.answers.isAheadOfStore(exchange));
    this.answers.endIdle(id);
    await this.#showMerged(conversation);
    if (this.conversation === conversation) this.answers.elsewhere.watch(conversation);
  }

  /** @param {Conversation} conversation another tab has changed it */
  async #showMerged(conversation) {
    if (this.conversation === conversation) await this.#view.merged(conversation);
    if (this.conversation === conversation) this.#view.shown(conversation);
  }

  /** Receives and reads no more of a conversation that was deleted. @param {string} id */
  forget(id) {
    this.#reader.forget(id);
    this.answers.forget(id);
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
    const known = shown ?? this.answers.conversation(id) ?? this.#reader.conversation(id);
    const conversation = known ?? Conversation.unread(id);
    if (conversation.contents === "unread") this.#reader.start(conversation);
    return conversation;
  }

  /** @param {string} id @returns {Promise<Conversation>} read, unless the store has reported a failure */
  async #read(id) {
    const conversation = this.#inUse(id);
    await this.#reader.wait(id);
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
      this.answers.elsewhere.watch(this.conversation);
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange | null} asked
   */
  #onBegun(conversation, asked) {
    const isShown = this.conversation === conversation;
    if (isShown && asked) this.#view.shown(conversation);
    this.#view.running(this.running);
    if (isShown) this.#view.status(this.#runningStatus);
    if (isShown && asked) this.#view.asked(asked);
  }

  /**
   * @param {Conversation} conversation
   * @param {Exchange} exchange
   */
  #onEnded(conversation, exchange) {
    if (this.conversation === conversation) {
      this.#view.running(this.running);
      this.#view.status(statusAfter(exchange));
      this.#view.ended(exchange);
    } else if (exchange.state !== "stopped") {
      this.#unseen.add(conversation.id);
      this.#view.endedElsewhere(conversation.id);
    }
    this.#view.marked();
  }

  /**
   * @param {string} id the conversation; its object may have been replaced since the removal
   * @param {import("../conversation/conversation.js").Removal} removal
   */
  async #restore(id, removal) {
    const conversation = await this.#read(id);
    if (conversation.contents !== "read") return; // the store has reported the failure
    this.#store.save(conversation, conversation.restore(removal));
    if (this.conversation === conversation) this.#view.shown(conversation);
  }

  /** @param {Conversation} conversation @returns {Tuning} */
  #tuningOf({ id, record }) {
    return allowedTuning(this.#store.record(id) ?? record, this.configuration);
  }
}

/** @param {Exchange} exchange */
function statusAfter(exchange) {
  if (exchange.state === "failed") return ""; // an alert of its own
  const note = noteOf(exchange);
  return texts[note === "stoppedNote" ? "stopped" : (note ?? "complete")];
}
