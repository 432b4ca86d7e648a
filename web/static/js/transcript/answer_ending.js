/** The end of an answer: a note or a failure, and the action buttons. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, quietButton } from "../ui/button.js";
import { canContinue } from "../conversation/exchange.js";
import { FailureView } from "./failure_view.js";
import { detailsView } from "./details_view.js";
import { setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").ExchangeEvents} ExchangeEvents */

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

  /** @param {ExchangeEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.element.className = "ending";
    this.#actions.className = "actions";
    this.element.append(this.#messages, this.#actions);
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
    this.#actions.replaceChildren(...this.#actionsFor(exchange));
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
    return [
      reload ? quietButton(reload, "retry reload", this.#events.reload) : "",
      canContinue(exchange) ? quietButton("resume", "resume when-idle", () => this.#events.resume(exchange)) : "",
      mayRetry ? quietButton("retry", "retry when-idle", () => this.#events.regenerate(exchange)) : "",
      isOfConversation(exchange)
        ? quietButton("startFromHere", "start-from-here when-idle", () => this.#events.startFromHere(exchange))
        : "",
      exchange.answer ? copyButton("copyAnswer", "copy-answer", () => exchange.answer, () => this.#richText()) : "",
      mayRetry ? "" : quietButton("regenerate", "regenerate when-idle", () => this.#events.regenerate(exchange)),
      this.branches.element,
      ...(exchange.figures && (exchange.answer || exchange.reasoning) ? detailsView(exchange.figures) : []),
    ];
  }
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
