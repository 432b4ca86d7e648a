/** The buttons below an answer, with a menu, and the details that one of them shows. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, copyText, iconButton, MenuButton, PART_MISSING, quietButton } from "../ui/button.js";
import { canContinue } from "../conversation/exchange.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */

/** Failures that a shorter conversation does not have. */
const OF_CONVERSATION = ["context_length_exceeded", "content_filtered"];

/** What a page does about a failure by loading itself again. @type {Record<string, import("../i18n/language.js").TextKey>} */
const RELOADS = { sign_in_required: "signIn", csrf_refused: "reload", user_changed: "reload" };

export class AnswerActions {
  #events;
  /** @type {MenuButton | null} */
  #menu = null;

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.element.className = "actions";
    this.branches = new BranchSwitch("answerVersions", events.choose);
  }

  /** Removes the buttons while the answer is running. */
  clear() {
    this.element.replaceChildren();
  }

  /** @param {Exchange} exchange no longer running */
  show(exchange) {
    this.#menu?.close();
    this.element.replaceChildren(...this.#actionsFor(exchange));
  }

  focusEdit() {
    /** @type {HTMLElement | null} */ (this.element.querySelector(".edit"))?.focus();
  }

  /** @returns {Promise<string> | undefined} the answer as HTML; undefined while it is shown as plain text */
  #richText() {
    const prose = this.element.closest(".answer")?.querySelector(":scope > .prose:not(.plain)");
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

/** @param {Exchange} exchange @returns {boolean} whether the same question may succeed in a new conversation */
function isOfConversation({ failure, finishReason }) {
  if (finishReason === "content_filter") return true;
  return failure !== undefined && (failure.status === 413 || OF_CONVERSATION.includes(failure.code));
}
