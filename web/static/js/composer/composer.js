/** The message box. Its button sends, or stops the running answer. */

import { requireElement } from "../browser/elements.js";
import { coarsePointer, root } from "../browser/page_root.js";
import { Draft } from "../storage/draft.js";
import { offerFiles } from "./file_button.js";
import { takeFiles } from "./file_intake.js";
import { missingPart } from "../ui/part_loader.js";
import { keepQuick, prepareFor } from "../ui/quick_field.js";
import { MessageLimits } from "./message_limits.js";
import { PromptRecall } from "./prompt_recall.js";
import { SendButton } from "./send_button.js";
import { insertParagraph, joinParagraphs } from "./text_edit.js";
import { onLanguageChange, setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").ImageReference} ImageReference */
/** @typedef {"hintRunning" | "hintWaiting" | "hintRunningHidden" | "hintWaitingHidden"} RunHint */

/**
 * @typedef {object} ComposerEvents
 * @property {(message: string, conversation?: Conversation, images?: ImageReference[]) => void} send to the shown
 *   conversation, or to another one
 * @property {() => void} stop
 * @property {(hint: string) => void} tooEarly the reader wants to send while an answer is running, or before the
 *   conversation has been read; the hint shows why nothing is sent yet
 * @property {(isSaved: boolean) => void} draftSaved false: the browser refuses to store the draft, or another one
 * @property {(names: string[]) => void} filesAdded
 * @property {(problem: FileProblem | null, fill?: (sentence: HTMLElement) => void, of?: string) => void} filesRead what is wrong with
 *   files of the message of a conversation, by its id; null also at the next edit
 *
 * @typedef {import("./attachments.js").ImageProblem | "filesRefused" | "filesNotInEdit" | "partNotLoaded" | "partOffline"} FileProblem
 */

/** The keys of the message box. @type {import("../dialogs/shortcut_list.js").ListedKey[]} */
export const COMPOSER_KEYS = [
  { text: "send", key: "Enter" },
  { text: "newLine", key: "Enter", shift: true },
  { text: "earlierPrompt", key: "ArrowUp" },
  { text: "laterPrompt", key: "ArrowDown" },
];

/** @type {FileProblem[]} */
export const FILE_PROBLEMS = ["filesRefused", "filesNotInEdit", "imagesTooMany", "imagesMissing", "partNotLoaded", "partOffline"];

// keys that move the focus
const MOVES = new Set(["Tab", "F6", "Escape"]);

export class Composer {
  #form;
  #field;
  #button;
  #problem;
  #hint;
  #recall;
  #events;
  /** @type {Draft | null} */
  #draft = null;
  /** @type {Conversation | null} */
  #conversation = null;
  /** Messages to send when their conversations have been read. @type {Map<Conversation | null, Draft>} */
  #waiting = new Map();
  #running = false;
  /** @type {RunHint} */
  #runHint = "hintRunning";
  /** Whether the reader wants to send and cannot yet. */
  #isHintWanted = false;
  /** Whether the reader wanted to send images without words. */
  #isWordless = false;
  /** Where images may be sent. @type {import("./attachments.js").Attachments | null} */
  #attachments = null;
  /** The conversation that a draft was moved to: files that are still being read follow it. @type {WeakMap<Conversation, Conversation>} */
  #movedTo = new WeakMap();
  /** What to send once its images are read, other than the draft. */
  #later = "";
  /** Once files were added. @type {import("./added_files.js").AddedFiles | null} */
  #addedFiles = null;
  #limits = new MessageLimits();

  /**
   * @param {HTMLFormElement} form
   * @param {() => string[]} prompts the earlier prompts of the shown conversation, oldest first
   * @param {ComposerEvents} events
   */
  constructor(form, prompts, events) {
    this.#form = form;
    this.#events = events;
    this.#field = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("message"));
    this.#recall = new PromptRecall(this.#field, prompts);
    this.#button = new SendButton(form, () => {
      if (this.#isBusy && !this.cancel()) this.#events.stop();
      this.focusAfterAction();
    });
    this.#problem = /** @type {HTMLElement} */ (form.querySelector(".problem"));
    this.#hint = requireElement("hint", HTMLElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    keepQuick(this.#field);
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("input", () => {
      if (this.#recall.isReplacing) return;
      this.#events.filesRead(null);
      this.#recall.reset();
      this.#afterEdit();
    });
    const setEnterKey = () => (this.#field.enterKeyHint = coarsePointer.matches ? "enter" : "send");
    coarsePointer.addEventListener("change", setEnterKey);
    setEnterKey();
    takeFiles(this.#field, {
      files: (files) => void this.#addFiles(files),
      link: (text) => this.insert(text),
      dragged: () => void import("./drop_sign.js").then(({ showDropSign }) => showDropSign(form)).catch(() => undefined),
      pastedIntoEdit: () => this.#events.filesRead("filesNotInEdit", undefined, this.#conversation?.id),
    });
    // browsers match `:focus-visible` on text fields after a click as well
    const options = { capture: true, passive: true };
    document.addEventListener("keydown", ({ key }) => MOVES.has(key) && form.classList.add("by-keyboard"), options);
    document.addEventListener("pointerdown", () => form.classList.remove("by-keyboard"), options);
    addEventListener("pagehide", () => this.flush());
    onLanguageChange(() => this.#show());
    this.#show();
  }

  /** @param {Conversation} conversation whose draft is edited from now on; if the same one has its first question, its draft moves */
  open(conversation) {
    this.#draft?.flush();
    this.#attachments?.open(conversation);
    if (this.#conversation === conversation) return;
    this.#later = "";
    const typedEarly = this.#draft ? "" : this.#field.value; // typed before this script was loaded
    this.#conversation = conversation;
    this.#draft = this.#waiting.get(conversation) ?? new Draft(conversation, this.#events.draftSaved);
    this.#setText(joinParagraphs(this.#draft.text, typedEarly));
  }

  /** Offers to add files. Call once where images may not be sent. */
  offerFiles() {
    offerFiles(this.#form, this.#attachments !== null, (files) => void this.#addFiles(files));
  }

  /** Offers to send images. */
  async allowImages() {
    const part = await import("./attachments.js").catch(() => null); // offline, or after a deploy: without images
    if (this.#attachments) return;
    if (!part) return this.offerFiles();
    this.#attachments = new part.Attachments(this.#form, this.#field, {
      changed: () => {
        this.#show();
        if (this.#later) this.send(this.#later);
      },
      draftSaved: (isSaved) => this.#events.draftSaved(isSaved),
      failed: (problem, conversation) => {
        this.#later = "";
        this.#events.filesRead(problem, undefined, this.#followMove(conversation)?.id);
      },
    });
    this.#attachments.open(this.#conversation);
    this.offerFiles();
  }

  /**
   * Moves the draft to another conversation, because the present one does not exist.
   * @param {Conversation} conversation
   * @param {string[]} [edits] other unsent texts of the present one
   * @returns {(() => boolean) | null} removes the draft there, unless the text was changed since; null if there is none
   */
  moveDraft(conversation, edits = []) {
    this.cancel();
    const texts = [this.#field.value, ...edits].filter(Boolean);
    this.#setText("");
    const removeImages = this.#attachments?.move(conversation);
    if (this.#conversation) this.#movedTo.set(this.#conversation, conversation);
    this.open(conversation);
    const takeBack = this.append(texts, removeImages ?? undefined);
    return texts.length > 0 || removeImages ? takeBack : null;
  }

  /**
   * Puts texts behind the draft.
   * @param {string[]} texts
   * @param {() => boolean} [removeImages] false if that is not possible
   * @returns {() => boolean} removes them, unless the text was changed since
   */
  append(texts, removeImages = () => true) {
    const conversation = this.#conversation;
    const before = this.#field.value;
    const longer = [before, ...texts].reduce(joinParagraphs);
    this.#setText(longer);
    return () => {
      if (this.#conversation !== conversation || this.#field.value !== longer || !removeImages()) return false;
      this.#setText(before);
      return true;
    };
  }

  /** Saves the draft now. */
  flush() {
    this.#draft?.flush();
    this.#attachments?.flush();
  }

  /**
   * Sends the message that waited for a conversation to be read. If that failed, the message stays a draft.
   * @param {Conversation} conversation shown or not
   */
  afterReading(conversation) {
    const draft = this.#waiting.get(conversation);
    if (!draft) return;
    this.#waiting.delete(conversation);
    this.#show();
    if (conversation.contents !== "read") return;
    const message = draft.text;
    draft.text = "";
    draft.flush();
    if (draft === this.#draft) this.#setText("");
    this.#events.send(message, conversation, this.#attachments?.take(conversation));
  }

  /**
   * Keeps the message as a draft that waits for its conversation to be read.
   * @returns {boolean} false if none was waiting
   */
  cancel() {
    const wasWaiting = this.#waiting.delete(this.#conversation);
    this.#show();
    return wasWaiting;
  }

  /**
   * @param {number} maxChars
   * @param {number} maxBytes of the whole request
   */
  limit(maxChars, maxBytes) {
    this.#limits = new MessageLimits(maxChars, maxBytes);
    this.#show();
  }

  /** @param {boolean} running */
  set running(running) {
    if (this.#running && !running && this.#field.value.trim() !== "") this.#button.answerEnded();
    this.#running = running;
    this.#show();
  }

  /**
   * Changes the hint about a running answer.
   * @param {{ isAwaited: boolean, isHidden: boolean }} run whether it waits for the reader's permission, and whether another version is shown
   */
  showRun({ isAwaited, isHidden }) {
    const hint = `hint${isAwaited ? "Waiting" : "Running"}${isHidden ? "Hidden" : ""}`;
    if (hint === this.#runHint) return; // called with each piece of the answer
    this.#runHint = /** @type {RunHint} */ (hint);
    this.#show();
  }

  /**
   * Sends a message other than the draft: with the images of a draft without words, once they are read. Otherwise the draft stays.
   * @param {string} message
   */
  send(message) {
    const attachments = this.#field.value.trim() === "" ? this.#attachments : null;
    const isReading = attachments?.isReading;
    this.#later = isReading ? message : "";
    if (!isReading && !this.#running) this.#events.send(message, undefined, attachments?.take());
  }

  /** Whether something is written or attached. */
  get hasDraft() {
    const { isEmpty = true, isReading = false } = this.#attachments ?? {};
    return this.#field.value !== "" || !isEmpty || isReading;
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  /**
   * Focuses the field after an action of the reader elsewhere. Where that would open a keyboard on the screen, the first
   * heading gets a focus that would be lost: a screen reader goes on from there.
   */
  focusAfterAction() {
    if (!coarsePointer.matches) return this.focus();
    const heading = [...root.querySelectorAll("h1")].find((each) => each.checkVisibility());
    const { activeElement } = document;
    // The browser takes it from what is hidden or disabled when it shows the change.
    const isLost = !activeElement?.checkVisibility() || activeElement.matches("body, :disabled");
    if (!heading || !isLost) return;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }

  /**
   * Puts an earlier question in front of the draft.
   * @param {string} text
   * @param {ImageReference[]} [images]
   */
  prepend(text, images) {
    this.#setText(joinParagraphs(text, this.#field.value));
    if (images) void this.#attachments?.addAgain(images);
  }

  /**
   * Inserts a text at the caret, as a paragraph of its own. The browser's undo removes it again.
   * @param {string} text
   */
  insert(text) {
    insertParagraph(this.#field, text);
    this.#recall.reset();
    this.#afterEdit();
  }

  /** Adds files to the message of the conversation that is shown now, also if another one is shown when they have been read. @param {File[]} files */
  async #addFiles(files) {
    const conversation = this.#conversation;
    const attachments = this.#attachments;
    const target = attachments?.target;
    const part = await import("./added_files.js").catch(() => null);
    if (!part) return this.#events.filesRead(missingPart());
    this.#addedFiles ??= new part.AddedFiles({
      ...this.#events,
      imageRefused: () => {
        this.#later = "";
      },
    });
    await this.#addedFiles.add(files, {
      maxChars: this.#limits.maxChars,
      conversation: () => this.#followMove(conversation)?.id,
      insert: (text) => this.#insertInto(conversation, text),
      addImages: attachments && ((images, refuse) => attachments.add(images, refuse, target)),
    });
  }

  /**
   * @param {Conversation | null} conversation
   * @param {string} text
   */
  #insertInto(conversation, text) {
    const target = this.#followMove(conversation);
    if (!target || target === this.#conversation) return this.insert(text);
    const draft = this.#waiting.get(target) ?? new Draft(target, this.#events.draftSaved);
    draft.text = joinParagraphs(draft.text, text);
    draft.flush();
  }

  /** @param {Conversation | null} conversation @returns {Conversation | null} the one that its draft was moved to, or itself */
  #followMove(conversation) {
    let target = conversation;
    while (target && this.#movedTo.has(target)) target = this.#movedTo.get(target) ?? null;
    return target?.isEmpty && this.#conversation?.isEmpty ? this.#conversation : target; // empty ones share one draft
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter confirms a candidate. Safari ends the composition before this event;
    // there, only the key code 229 tells.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.shiftKey) return; // a new line, a selection
    if (event.key === "Enter") {
      // a keyboard on the screen has no Shift+Enter: there, its Enter breaks the line, and the button sends
      if (coarsePointer.matches && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.#submit();
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey && this.#recall.key(event)) {
      this.#afterEdit();
    }
  }

  #submit() {
    const message = this.#field.value;
    if (this.#isBusy && (message.trim() !== "" || this.#hasOnlyImages)) this.#showHint();
    if (this.#isBusy || this.#findProblem()) return;
    if (this.#attachments?.isReading) return this.#events.tooEarly(texts.imagesReading);
    if (message.trim() === "") {
      this.#isWordless = this.#hasOnlyImages;
      this.#show();
      return this.focusAfterAction(); // the button is disabled now
    }
    if (this.#draft && this.#conversation?.contents === "reading") {
      this.#waiting.set(this.#conversation, this.#draft);
      this.#draft.flush();
      this.#show();
      return this.#showHint();
    }
    this.#setText("");
    this.#events.send(message, undefined, this.#attachments?.take());
  }

  /** Says why nothing is sent now. */
  #showHint() {
    this.#isHintWanted = true;
    this.#show();
    this.#events.tooEarly(this.#hint.textContent ?? "");
  }

  get #hasOnlyImages() {
    return this.#attachments?.isEmpty === false && this.#field.value.trim() === "";
  }

  /** Whether an answer is running, or a message waits for its conversation. */
  get #isBusy() {
    return this.#running || this.#waiting.has(this.#conversation);
  }

  /** @param {string} text */
  #setText(text) {
    prepareFor(this.#field, text);
    this.#field.value = text;
    this.#recall.reset();
    this.#afterEdit();
  }

  #afterEdit() {
    if (this.#draft) this.#draft.text = this.#recall.draft;
    this.#show();
  }

  /** @returns {string} why the message cannot be sent; empty if it can */
  #findProblem() {
    if (this.#isWordless) return texts.wordsMissing;
    return this.#limits.problemOf(this.#field.value);
  }

  #show() {
    if (!this.#hasOnlyImages) this.#isWordless = false;
    const problem = this.#findProblem();
    const isBusy = this.#isBusy;
    const isWaiting = this.#waiting.has(this.#conversation);
    this.#field.readOnly = isWaiting; // the message is shown until it is sent
    setText(this.#hint, !isBusy ? "hint" : isWaiting ? "hintReading" : this.#runHint);
    this.#isHintWanted &&= isBusy;
    // nothing else says that the answer waits where its question is out of view; in a low window the question needs the room
    const awaited = isBusy && !isWaiting ? this.#runHint : "";
    this.#hint.classList.toggle("wanted", this.#isHintWanted || awaited === "hintWaitingHidden");
    this.#hint.classList.toggle("awaited", awaited === "hintWaiting");
    this.#form.classList.toggle("running", isBusy);
    const isEmpty = this.#field.value.trim() === "" && !this.#hasOnlyImages;
    this.#button.show(isBusy, !isEmpty && problem === "" && !this.#attachments?.isReading);
    this.#field.setAttribute("aria-invalid", String(problem !== ""));
    if (this.#problem.textContent !== problem) this.#problem.textContent = problem;
    this.#fitHeight();
  }

  /** Fits the height to the text, in browsers without `field-sizing`. */
  #fitHeight() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
