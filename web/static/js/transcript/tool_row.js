/** One call of a tool: a foldable row with its name, its duration, its arguments and its result. */

import { Consent } from "./consent.js";
import { requireElement } from "../browser/elements.js";
import { isSynced } from "../browser/page_root.js";
import { awaitsDecision } from "../conversation/answer_parts.js";
import { argumentsView } from "./tool_arguments.js";
import { setLabel, setText, texts } from "../i18n/language.js";

/** @typedef {import("../conversation/answer_parts.js").ToolCall} ToolCall */
/** @typedef {import("../i18n/language.js").TextKey} TextKey */
/** @typedef {"running" | "waiting" | "done" | "denied" | "undecided" | "not-asked" | "failed" | "stopped" | "unfinished"} ToolState */

/** Codes of calls that were not allowed: see docs/reference/wire.md. @type {Map<string, ToolState>} */
const REFUSALS = new Map([
  ["denied", "denied"],
  ["undecided", "undecided"],
  ["cannot_ask", "not-asked"],
]);
/** Sentences for other codes. @type {Map<string, TextKey>} */
const FAILURES = new Map([
  ["invalid_arguments", "toolBadArguments"],
  ["unknown_tool", "toolUnknown"],
  ["timeout", "toolTimeout"],
]);

/**
 * @typedef {object} ToolEvents
 * @property {() => void} expanded called after the reader has opened or closed the row
 * @property {(name: string) => void} asked the tool asks for the reader's permission
 * @property {(call: ToolCall, isAllowed: boolean) => Promise<import("../api/run_control.js").ConsentOutcome>} decide
 */

export class ToolRow {
  #events;
  /** Whether the server can be told of a decision. */
  #canDecide = false;
  #state = document.createElement("span");
  #name = document.createElement("span");
  #body = document.createElement("div");
  /** @type {ToolCall | null} */
  #call = null;
  /** @type {Consent | null} */
  #consent = null;
  /** @type {ToolState} */
  #shown = "running";
  /** Whether the page has opened the row, and its event is to come. */
  #isOpening = false;

  /** @param {ToolEvents} events */
  constructor(events) {
    this.#events = events;
    const summary = document.createElement("summary");
    const kind = document.createElement("span");
    kind.className = "visually-hidden";
    setText(kind, "tool");
    this.#name.className = "tool-name";
    this.#name.dir = "auto";
    this.#state.className = "tool-state";
    this.#body.className = "tool-body";
    // spaces, so that the name of the row for screen readers has words
    summary.append(kind, " ", this.#name, " ", this.#state);
    this.element = document.createElement("details");
    this.element.className = "tool";
    this.element.append(summary, this.#body);
    this.element.addEventListener("toggle", () => {
      this.#fill();
      if (!this.#isOpening) events.expanded();
      this.#isOpening = false;
    });
  }

  /**
   * @param {ToolCall} call
   * @param {boolean} isRunning whether the answer is
   * @param {boolean} canDecide whether the server can be told of a decision
   * @returns {boolean} whether anything has changed
   */
  show(call, isRunning, canDecide) {
    const state = stateOf(call, isRunning);
    // while it waits, only what was sent changes: the pressed button stays
    const isSame = call === this.#call || (state === "waiting" && call.id === this.#call?.id);
    if (isSame && state === this.#shown && canDecide === this.#canDecide) {
      this.#call = call;
      return false;
    }
    this.#canDecide = canDecide;
    const isNews = this.#shown !== state;
    const isLeft = isNews && this.#shown === "waiting" && this.element.contains(document.activeElement) && !this.#beginsInView();
    this.#call = call;
    this.#shown = state;
    this.#name.textContent = call.name;
    this.element.dataset.state = state;
    if (isNews && state === "waiting") {
      this.#isOpening = !this.element.open;
      this.element.open = true; // the reader decides by the arguments
      this.#events.asked(call.name);
    }
    this.translate();
    this.#fill();
    // The button that had the focus gives it to the summary. To scroll up to that would lose the end of the answer.
    if (isLeft) this.element.open = false;
    return true;
  }

  #beginsInView() {
    const { bottom } = requireElement("bar", HTMLElement).getBoundingClientRect();
    return this.element.getBoundingClientRect().top >= Math.max(bottom, 0);
  }

  /** Updates texts with variable parts to the current language. */
  translate() {
    const result = this.#call?.result;
    const took = result ? seconds(result.seconds) : "";
    const words = {
      running: texts.toolRunning,
      waiting: texts.toolWaiting,
      done: took,
      denied: texts.toolDenied,
      undecided: texts.toolUndecided,
      "not-asked": texts.toolNotAsked,
      failed: texts.toolFailed(took),
      stopped: texts.toolStopped,
      unfinished: texts.toolUnfinished,
    };
    this.#state.textContent = words[this.#shown];
    this.#consent?.translate();
  }

  /** Only while it is open: most rows never are. */
  #fill() {
    if (!this.element.open || !this.#call) return;
    const call = this.#call;
    const { name, arguments: json, result } = call;
    const parts = json ? labelled("toolArguments", argumentsView(json)) : [];
    this.#consent = null;
    if (this.#shown === "waiting") {
      this.#consent = new Consent(name, parts[1] ?? null, this.#canDecide, (isAllowed) => this.#events.decide(call, isAllowed));
      return this.#body.replaceChildren(this.#consent.element);
    }
    if (REFUSALS.has(result?.code ?? "") || this.#shown === "stopped" || (this.#shown === "denied" && !result)) parts.push(sentence("toolNotRun"));
    else if (result?.code) parts.push(sentence(FAILURES.get(result.code) ?? "toolBroken"), ...part("toolTold", result.text));
    else if (result) parts.push(...part(this.#shown === "failed" ? "toolError" : "toolResult", result.text));
    this.#body.replaceChildren(...parts);
  }
}

/**
 * @param {ToolCall} call
 * @param {boolean} isRunning
 * @returns {ToolState}
 */
export function stateOf(call, isRunning) {
  const { result, isOver, decision, needsConsent } = call;
  const refusal = REFUSALS.get(result?.code ?? ""); // also where another page has denied it
  if (refusal) return refusal;
  if (decision === "denied" && result?.isError !== false) return "denied"; // the tool has not run, and did not fail
  if (result) return result.isError ? "failed" : "done";
  // Without a permission, no tool runs. Another device may have given one, of which only the result tells.
  if (!isRunning || isOver) return needsConsent && !decision && !isSynced ? "stopped" : "unfinished";
  return awaitsDecision(call) ? "waiting" : "running";
}

/**
 * @param {TextKey} key
 * @param {string} content
 * @returns {HTMLElement[]} its visible label, and the content with the same name
 */
function part(key, content) {
  const text = document.createElement("pre");
  text.textContent = content;
  text.dir = "auto";
  return labelled(key, text);
}

/**
 * @param {TextKey} key
 * @param {HTMLElement} text
 * @returns {HTMLElement[]} its visible label, and a box with the text and the same name
 */
function labelled(key, text) {
  const label = document.createElement("p");
  setText(label, key);
  const box = document.createElement("div");
  box.className = "tool-text";
  box.tabIndex = 0; // makes it scrollable by keyboard
  box.setAttribute("role", "group"); // not a landmark: there may be many
  setLabel(box, key);
  box.append(text);
  return [label, box];
}

/** In the place of the sentence that the server writes for the model, in English. @param {TextKey} key */
function sentence(key) {
  const element = document.createElement("p");
  setText(element, key);
  return element;
}

/** @param {number} value */
function seconds(value) {
  if (value < 0.05) return texts.toolInstant;
  return texts.seconds(new Intl.NumberFormat(texts.tag, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value));
}
