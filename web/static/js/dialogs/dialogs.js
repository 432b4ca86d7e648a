/** The dialogs of the page, and the buttons that open them. Each dialog is loaded when it is first opened. */

import { loadStyles } from "../browser/libraries.js";
import { requireElement } from "../browser/elements.js";
import { setText } from "../i18n/language.js";

/** @typedef {import("../api/configuration.js").Configuration} Configuration */
/** @typedef {import("../chat/chat.js").Chat} Chat */
/** @typedef {import("./archive_controls.js").UseFiles} UseFiles */
/** @typedef {import("./shortcut_list.js").KeyGroup} KeyGroup */

/**
 * @typedef {object} DialogParts what the dialogs change and show
 * @property {Chat} chat
 * @property {import("../settings/settings.js").Settings} settings
 * @property {import("../ui/part_loader.js").PartLoader} parts
 * @property {UseFiles} useFiles
 * @property {import("../ui/notices.js").Notices} notices
 * @property {(text: string) => void} announce
 * @property {KeyGroup[]} shortcuts
 * @property {import("../chat/conversation_actions.js").ConversationActions} conversations
 */

export class Dialogs {
  #of;
  #tuningButton = requireElement("open-tuning", HTMLButtonElement);
  /** @type {import("./settings_dialog.js").SettingsDialog | null} */
  #settings = null;
  /** @type {import("./tuning_dialog.js").TuningDialog | null} */
  #tuning = null;
  /** @type {import("./shortcut_list.js").ShortcutList | null} */
  #shortcuts = null;

  /** @param {DialogParts} parts */
  constructor(parts) {
    this.#of = parts;
    this.#tuningButton.addEventListener("click", () => void this.openTuning());
    requireElement("open-settings", HTMLButtonElement).addEventListener("click", () => void this.openSettings());
    requireElement("open-shortcuts", HTMLButtonElement).addEventListener("click", () => void this.toggleShortcuts());
  }

  /** @param {Configuration} configuration */
  configure(configuration) {
    this.#settings?.configure(configuration);
    this.showTuning();
  }

  /** Shows whether the conversation has a system prompt or a temperature of its own. */
  showTuning() {
    const { configuration, tuning, conversation } = this.#of.chat;
    const isTuned = Object.keys(tuning).length > 0;
    this.#tuningButton.hidden = !configuration.allowsSystemPrompt && !configuration.allowsTemperature;
    this.#tuningButton.disabled = conversation.contents === "reading";
    this.#tuningButton.classList.toggle("tuned", isTuned);
    setText(/** @type {HTMLElement} */ (this.#tuningButton.querySelector(".label")), isTuned ? "tuned" : "tune");
  }

  async openSettings() {
    const { chat, settings, parts, useFiles, notices, announce } = this.#of;
    const loaded = await parts.load(() => Promise.all([import("./settings_dialog.js"), import("./archive_controls.js"), loadDialogStyles()]));
    if (!loaded) return;
    if (!this.#settings) {
      const [{ SettingsDialog }, { ArchiveControls }] = loaded;
      const element = requireElement("settings", HTMLDialogElement);
      this.#settings = new SettingsDialog(element, settings);
      this.#settings.configure(chat.configuration);
      new ArchiveControls(element, useFiles, notices, { imported: (id) => void chat.refresh(id), announce });
    }
    this.#settings.open();
  }

  /**
   * Opens the dialog for the system prompt and the temperature of the shown conversation.
   * @param {import("./tuning_dialog.js").Refused} [refused] when it was closed before
   */
  async openTuning(refused = {}) {
    const { chat, parts, conversations } = this.#of;
    const { conversation } = chat;
    const [loaded] = (await parts.load(() => Promise.all([import("./tuning_dialog.js"), loadDialogStyles()]))) ?? [];
    if (!loaded || chat.conversation !== conversation) return;
    if (!this.#tuning) {
      this.#tuning = new loaded.TuningDialog(requireElement("tuning", HTMLDialogElement));
      this.#tuning.configure(chat.configuration);
    }
    this.#tuning.edit(chat.tuning, conversation.isEmpty ? "" : conversation.id, {
      changed: (changes) => {
        chat.tune(changes, conversation);
        this.showTuning();
      },
      refused: (key, values) => conversations.offerTuning(key, conversation, () => this.openTuning(values)),
    }, refused);
  }

  async toggleShortcuts() {
    const [loaded] = (await this.#of.parts.load(() => Promise.all([import("./shortcut_list.js"), loadDialogStyles()]))) ?? [];
    if (!loaded) return;
    if (!this.#shortcuts) {
      this.#shortcuts = new loaded.ShortcutList(requireElement("shortcuts", HTMLDialogElement));
      this.#shortcuts.show(this.#of.shortcuts);
    }
    this.#shortcuts.toggle();
  }
}

function loadDialogStyles() {
  return loadStyles("css/dialog.css");
}
