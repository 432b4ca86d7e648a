/** The end of an answer: a note or a failure, and the action buttons. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, copyText, iconButton, MenuButton, PART_MISSING, quietButton } from "../ui/button.js";
import { canContinue } from "../conversation/exchange.js";
import { FailureView } from "./failure_view.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../conversation/conversation.js").Versions} Versions */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */

/** Failures that a shorter conversation does not have. */
const OF_CONVERSATION = ["context_length_exceeded", "content_filtered"];

/** What a page does about a failure by loading itself again. @type {Record<string, import("../i18n/language.js").TextKey>} */
const RELOADS = { sign_in_required: "signIn", csrf_refused: "reload", user_changed: "reload" };

export class AnswerEnding {
  #events;
  #messages = document.createElement("div");
  #actions = document.createElement("div");
  /** @type {FailureView | null} */
  #failure = null;
  /** Where the later messages are, if not here. */
  #later = document.createElement("p");
  /** @type {Versions | null} */
  #versions = null;
  /** @type {MenuButton | null} */
  #menu = null;

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.element.className = "ending";
    this.#actions.className = "actions";
    this.#later.className = "later when-idle";
    this.#later.hidden = true;
    this.element.append(this.#messages, this.#actions, this.#later);
    this.branches = new BranchSwitch("answerVersions", events.choose);
  }

  /** Removes notes and actions while the answer is running. */
  clear() {
    this.#clearFailure();
    this.#messages.replaceChildren();
    this.#actions.replaceChildren();
  }

  /**
   * @param {Exchange} exchange no longer running
   * @param {boolean} announce whether a failure is announced as an alert
   */
  show(exchange, announce) {
    this.#clearFailure();
    const { state, failure } = exchange;
    if (state === "failed" && failure) this.#showFailure(failure, announce);
    else this.#messages.replaceChildren(...notesOf(exchange));
    if (exchange.leftOut) this.#messages.append(note(texts.leftOut(exchange.leftOut)));
    this.#menu?.close();
    this.#actions.replaceChildren(...this.#actionsFor(exchange));
    this.#fillLater();
  }

  /** @param {Versions} versions */
  showLater(versions) {
    this.#versions = versions;
    this.#fillLater();
  }

  focusEdit() {
    /** @type {HTMLElement | null} */ (this.#actions.querySelector(".edit"))?.focus();
  }

  #fillLater() {
    const { questions = [], answers = [], followed = null } = this.#versions ?? {};
    this.#later.hidden = !followed;
    if (!followed) return;
    const isAnswer = answers.includes(followed);
    const place = isAnswer ? answers.indexOf(followed) : questions.findIndex(({ question }) => question === followed.question);
    const go = quietButton("showVersion", "show-later", () => this.#events.show(followed));
    this.#later.replaceChildren(isAnswer ? texts.laterInAnswer(place + 1) : texts.laterInQuestion(place + 1), " ", go);
  }

  /**
   * @param {import("../api/failure.js").FailureRecord} failure
   * @param {boolean} announce
   */
  #showFailure(failure, announce) {
    this.#failure = new FailureView(failure, {
      announce,
      ready: () => {
        this.element.classList.remove("retry-waiting");
        this.#events.retryReady();
      },
    });
    this.#messages.replaceChildren(...this.#failure.elements);
    this.element.classList.toggle("retry-waiting", this.#failure.isWaiting);
  }

  #clearFailure() {
    this.#failure?.end();
    this.#failure = null;
    this.element.classList.remove("retry-waiting");
  }

  /** @returns {Promise<string> | undefined} the answer as HTML; undefined while it is shown as plain text */
  #richText() {
    const prose = this.element.parentElement?.querySelector(":scope > .prose:not(.plain)");
    return prose ? import("./copied_content.js").then(({ richText }) => richText(prose)) : undefined;
  }

  /** @param {Exchange} exchange */
  #actionsFor(exchange) {
    // also for failures that are not retryable: the administrator may have fixed the cause
    const mayRetry = exchange.state === "stopped" || exchange.state === "failed";
    const reload = RELOADS[exchange.failure?.code ?? ""];
    const { figures } = exchange;
    const [detailsButton, details] = figures && (exchange.answer || exchange.reasoning) ? detailsOf(figures) : ["", ""];
    return [
      reload ? quietButton(reload, "retry reload", this.#events.reload) : "",
      canContinue(exchange) ? quietButton("resume", "resume when-idle", () => this.#events.resume(exchange)) : "",
      mayRetry ? quietButton("retry", "retry when-idle", () => this.#events.regenerate(exchange)) : "",
      isOfConversation(exchange)
        ? quietButton("startFromHere", "start-from-here when-idle", () => this.#events.startFromHere(exchange))
        : "",
      exchange.answer ? copyButton("copyAnswer", "copy-answer", () => exchange.answer, () => this.#richText()) : "",
      mayRetry ? "" : iconButton("refresh-cw", "regenerate", "regenerate when-idle", () => this.#events.regenerate(exchange)),
      iconButton("pencil", "edit", "edit when-idle", this.#events.openEditor),
      this.branches.element,
      detailsButton,
      this.#moreButton(exchange),
      details,
    ];
  }

  /** @param {Exchange} exchange */
  #moreButton(exchange) {
    const button = iconButton("ellipsis", "moreActions", "more when-idle");
    this.#menu = new MenuButton(button, () => [
      { key: "copyQuestion", icon: "copy", name: "copy-question", run: () => void copyText(button, exchange.question) },
      { key: "deleteExchange", icon: "trash-2", name: "delete", isDangerous: true, run: () => this.#events.delete(exchange) },
    ]);
    return button;
  }

}

/**
 * @param {import("../api/answer_details.js").AnswerDetails} figures
 * @returns {HTMLElement[]} the button and the details
 */
function detailsOf(figures) {
  const list = document.createElement("dl");
  list.className = "answer-details";
  list.hidden = true;
  const show = async () => {
    try {
      if (list.hidden) (await import("./details_view.js")).fillDetails(list, figures);
    } catch {
      return void button.dispatchEvent(new Event(PART_MISSING, { bubbles: true })); // offline, or after a deploy
    }
    list.hidden = !list.hidden;
    button.ariaExpanded = String(!list.hidden);
    if (!list.hidden) list.scrollIntoView({ block: "nearest" }); // otherwise the dock may cover it
  };
  const button = iconButton("info", "details", "show-details", () => void show());
  button.ariaExpanded = "false";
  return [button, list];
}

/** @param {Exchange} exchange */
function notesOf(exchange) {
  const key = noteOf(exchange);
  if (!key) return [];
  const element = note("");
  setText(element, key);
  return [element];
}

/** @param {string} text */
function note(text) {
  const element = document.createElement("p");
  element.className = "note";
  element.textContent = text;
  return element;
}

/** @param {Exchange} exchange @returns {boolean} whether the same question may succeed in a new conversation */
function isOfConversation({ failure, finishReason }) {
  if (finishReason === "content_filter") return true;
  return failure !== undefined && (failure.status === 413 || OF_CONVERSATION.includes(failure.code));
}

/**
 * @param {Exchange} exchange
 * @returns {import("../i18n/language.js").TextKey | null}
 */
function noteOf({ state, finishReason, answer }) {
  if (state === "stopped") return "stoppedNote";
  if (finishReason === "length") return "lengthNote";
  if (finishReason === "content_filter") return "filterNote";
  return answer === "" ? "emptyNote" : null;
}
