/** One question in the transcript, with its action buttons. */

import { BranchSwitch } from "./branch_switch.js";
import { copyButton, quietButton } from "../ui/button.js";
import { Draft, draftOwnerOf } from "../storage/draft.js";
import { setLabel } from "../i18n/language.js";
import { QuestionEditor } from "./question_editor.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("./exchange_view.js").ExchangeEvents} ExchangeEvents */

const LONG = 160; // characters; a longer question is shown as text instead of a headline

export class QuestionView {
  #text = document.createElement("p");
  #article = document.createElement("article");
  #actions = document.createElement("div");
  #edit;
  #exchange;
  #events;
  /** The unsent edited question. */
  #draft;
  /** @type {QuestionEditor | null} */
  #editor = null;

  /**
   * @param {Exchange} exchange
   * @param {ExchangeEvents} events
   */
  constructor(exchange, events) {
    this.#exchange = exchange;
    this.#events = events;
    this.#draft = new Draft(draftOwnerOf(exchange), events.draftNotSaved);
    setLabel(this.#article, "you");
    this.#text.dir = "auto";
    this.#article.append(this.#text);
    this.branches = new BranchSwitch("questionVersions", events.choose);
    this.#edit = quietButton("edit", "edit when-idle", () => this.#openEditor(exchange.question).focus());
    this.#actions.className = "actions question-actions";
    this.#actions.append(
      copyButton("copy", "copy-question", () => exchange.question), // first: it stays while an answer is running
      this.#edit,
      quietButton("delete", "delete when-idle", () => events.delete(exchange)),
      this.branches.element,
    );
    this.elements = [this.#article, this.#actions];
  }

  /** Shows the question, which an import may have changed. Call after inserting the elements into the page. */
  show() {
    const { question } = this.#exchange;
    this.#article.className = question.length > LONG || question.includes("\n") ? "question long" : "question";
    if (this.#text.textContent !== question) this.#text.textContent = question;
    // the editor was open when the page was closed
    if (this.#draft.text && !this.#editor) this.#openEditor(this.#draft.text);
  }

  /** @param {string} text */
  #openEditor(text) {
    this.#editor = new QuestionEditor(text, {
      edited: (question) => this.#saveDraft(question === this.#exchange.question ? "" : question),
      ask: (question) => {
        if (this.#events.edit(this.#exchange, question)) this.#closeEditor();
      },
      cancel: () => {
        this.#closeEditor();
        this.#edit.focus();
      },
    });
    this.#article.hidden = this.#actions.hidden = true;
    this.#article.before(this.#editor.element);
    this.#editor.fit();
    return this.#editor;
  }

  #closeEditor() {
    this.#saveDraft("");
    this.#editor?.element.remove();
    this.#editor = null;
    this.#article.hidden = this.#actions.hidden = false;
  }

  /** Saves at once, because the view may be removed at any time. @param {string} text */
  #saveDraft(text) {
    this.#draft.text = text;
    this.#draft.flush();
  }
}
