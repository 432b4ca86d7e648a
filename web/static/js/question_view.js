/** One question in the transcript, as the reader wrote it, and what can be done with it. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, quietButton } from "./button.js";
import { label } from "./language.js";
import { QuestionEditor } from "./question_editor.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").ExchangeEvents} ExchangeEvents */

const LONG = 160; // characters; beyond this it is set as text, not as a headline

export class QuestionView {
  #text = document.createElement("p");
  #article = document.createElement("article");
  #actions = document.createElement("div");
  #edit;
  #exchange;
  #events;

  /**
   * @param {Exchange} exchange
   * @param {ExchangeEvents} events
   */
  constructor(exchange, events) {
    this.#exchange = exchange;
    this.#events = events;
    label(this.#article, "you");
    this.#text.dir = "auto";
    this.#article.append(this.#text);
    this.branches = new BranchSwitch("questionVersions", events.choose);
    this.#edit = quietButton("edit", "edit when-idle", () => this.#beginEditing());
    this.#actions.className = "actions question-actions";
    this.#actions.append(
      copyButton("copy", "copy-question", () => exchange.question), // first: it stays while an answer is written
      this.#edit,
      quietButton("delete", "delete when-idle", () => events.delete(exchange)),
      this.branches.element,
    );
    this.elements = [this.#article, this.#actions];
    this.show();
  }

  /** Shows the question as it is now: an import may bring another wording. */
  show() {
    const { question } = this.#exchange;
    this.#article.className = question.length > LONG || question.includes("\n") ? "question long" : "question";
    if (this.#text.textContent !== question) this.#text.textContent = question;
  }

  #beginEditing() {
    const editor = new QuestionEditor(this.#exchange.question, {
      ask: (question) => {
        if (this.#events.edit(this.#exchange, question)) this.#endEditing(editor);
      },
      cancel: () => {
        this.#endEditing(editor);
        this.#edit.focus();
      },
    });
    this.#article.hidden = this.#actions.hidden = true;
    this.#article.before(editor.element);
    editor.focus();
  }

  /** @param {QuestionEditor} editor */
  #endEditing(editor) {
    editor.element.remove();
    this.#article.hidden = this.#actions.hidden = false;
  }
}
