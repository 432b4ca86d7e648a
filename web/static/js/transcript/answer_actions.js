/**
 * The buttons below an answer, and the details that one of them shows. Where the row is narrow, the style sheet hides
 * some of the buttons: the menu has these then.
 */

import { BranchSwitch } from "./branch_switch.js";
import { COPY_ENDED, copyButton, iconButton, iconOf, MenuButton, PART_MISSING, quietButton, showCopied } from "../ui/button.js";
import { canContinue } from "../conversation/exchange.js";
import { answerWithSources } from "../conversation/markdown_text.js";
import { reportOf } from "./failure_view.js";
import { remediesFor } from "./remedy.js";
import { texts } from "../i18n/language.js";
import { bringIntoView } from "../ui/in_view.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").AnswerEvents} AnswerEvents */

/** In the menu, of the buttons that show words. @type {Record<string, string>} */
const ICONS = { retry: "refresh-cw", resume: "play" };

export class AnswerActions {
  #events;
  #row = document.createElement("div");
  /** Whether the question has other answers, or other versions of itself. */
  hasVersions = false;
  /** @type {MenuButton | null} */
  #menu = null;

  /** @param {AnswerEvents} events */
  constructor(events) {
    this.#events = events;
    this.element = document.createElement("div");
    this.#row.className = "actions";
    this.element.append(this.#row);
    this.branches = new BranchSwitch("answerVersions", events.choose);
  }

  /** Removes the buttons while the answer is running. */
  clear() {
    // called with each piece of the answer
    if (!this.#row.hasChildNodes()) return;
    this.#row.replaceChildren();
    this.element.replaceChildren(this.#row);
  }

  /** @param {Exchange} exchange no longer running */
  show(exchange) {
    this.#menu?.close();
    const { figures, answer, reasoning, parts } = exchange;
    const [detailsButton, details] = figures && (answer || reasoning || parts) ? detailsOf(figures, exchange) : ["", ""];
    // also for failures that are not retryable: the administrator may have fixed the cause
    const mayRetry = exchange.state === "stopped" || exchange.state === "failed";
    const remedies = remediesFor(exchange, this.#events.remedies());
    const place = remedies.indexOf("retry");
    const buttons = remedies.map((remedy) => this.#remedyButton(remedy, exchange));
    const retry = buttons[place] ?? this.#remedyButton("retry", exchange);
    retry.classList.toggle("in-menu", place < 0);
    this.#row.replaceChildren(
      ...(place < 0 ? buttons : buttons.slice(0, place)),
      canContinue(exchange) ? quietButton("resume", "resume when-idle", () => this.#events.resume(exchange)) : "",
      mayRetry ? retry : "",
      ...(place < 0 ? [] : buttons.slice(place + 1)),
      this.branches.element,
      // those that stay while an answer is running stand together
      exchange.answer ? copyButton("copyAnswer", "copy-answer", () => answerWithSources(exchange), { html: () => this.#richText() }) : "",
      detailsButton,
      mayRetry ? "" : iconButton("refresh-cw", "regenerate", "regenerate when-idle", () => this.#events.regenerate(exchange)),
      this.#moreButton(exchange),
    );
    this.element.replaceChildren(this.#row, details);
  }

  /** Lets the reader try again when a wait is over. @param {import("../api/retry_wait.js").RetryWait} wait */
  showWait({ isOver, isOffline, seconds }) {
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (this.#row.querySelectorAll(".retry, .resume"))) {
      button.disabled = !isOver;
      if (button.matches(".retry")) button.textContent = isOver || isOffline ? texts.retry : texts.retryIn(seconds < 120 ? seconds : Math.ceil(seconds / 60) * 60);
    }
  }

  /** @returns {Promise<string> | undefined} the answer as HTML; undefined while it is shown as plain text */
  #richText() {
    const answer = this.#row.closest(".answer");
    if (!answer?.querySelector(":scope > .prose:not(.plain)")) return undefined;
    const parts = answer.querySelectorAll(":scope > .prose:not(.plain), :scope > .source-list:not([hidden]) .sources");
    return import("./copied_content.js").then(({ richText }) => richText(parts));
  }

  /**
   * @param {import("./remedy.js").Remedy} remedy
   * @param {Exchange} exchange
   */
  #remedyButton(remedy, exchange) {
    const { reload, openEditor, askInNew, changeTemperature, chooseModel } = this.#events;
    switch (remedy) {
      case "signIn":
      case "reload":
        return quietButton(remedy, "remedy reload", reload);
      case "edit":
        return quietButton("edit", "remedy edit when-idle", openEditor);
      case "askInNew":
        return quietButton("askInNew", "remedy ask-in-new when-idle", () => askInNew(exchange));
      case "changeTemperature":
        return quietButton("changeTemperature", "remedy when-idle", changeTemperature);
      case "chooseModel":
        return quietButton("chooseModel", "remedy when-idle", chooseModel);
      case "copyReport":
        return copyButton("copyReport", "remedy", () => reportOf(exchange), { isWorded: true });
      case "retry":
        return quietButton("retry", "retry when-idle", () => this.#events.regenerate(exchange));
    }
  }

  /** @param {Exchange} exchange */
  #moreButton(exchange) {
    const button = iconButton("ellipsis", "moreActions", "more when-idle");
    this.#menu = new MenuButton(button, () => [
      ...this.#itemsOfHiddenButtons(button),
      { key: this.hasVersions ? "deleteVersion" : "deleteExchange", icon: "trash-2", name: "delete", isDangerous: true, run: () => this.#events.delete(exchange) },
    ], "start");
    return button;
  }

  /** @param {HTMLButtonElement} more the button of the menu, which shows that a text is copied */
  #itemsOfHiddenButtons(more) {
    const ofQuestion = this.#row.closest(".exchange")?.querySelectorAll(":scope > .question:not([hidden]) + .question-actions > button") ?? [];
    const all = /** @type {HTMLButtonElement[]} */ ([...this.#row.querySelectorAll(":scope > button"), ...ofQuestion]);
    return all.flatMap((button) => {
      if (button.checkVisibility() || button.disabled) return [];
      const key = /** @type {import("../i18n/language.js").TextKey} */ ((button.querySelector(".label") ?? button).getAttribute("data-text"));
      const run = () => {
        button.addEventListener(COPY_ENDED, () => showCopied(more), { once: true });
        button.click();
      };
      return [{ key, icon: iconOf(button) || (ICONS[key] ?? ""), name: "of-row", run }];
    });
  }
}

/**
 * @param {import("../api/answer_details.js").AnswerDetails} figures
 * @param {Exchange} exchange
 * @returns {HTMLElement[]} the button and the details
 */
function detailsOf(figures, exchange) {
  const list = document.createElement("dl");
  list.className = "answer-details";
  list.hidden = true;
  const show = async () => {
    try {
      if (list.hidden) (await import("./details_view.js")).fillDetails(list, figures, exchange);
    } catch {
      return void button.dispatchEvent(new Event(PART_MISSING, { bubbles: true })); // offline, or after a deploy
    }
    list.hidden = !list.hidden;
    button.ariaExpanded = String(!list.hidden);
    if (list.hidden) return;
    bringIntoView(list); // otherwise the dock may cover it
    if (button.matches(":focus-visible")) bringIntoView(button); // where both have no room
  };
  const button = iconButton("info", "details", "show-details", () => void show());
  button.ariaExpanded = "false";
  return [button, list];
}
