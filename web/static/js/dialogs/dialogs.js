/** The dialogs of the page. Each is loaded when it is first opened. */

import { loadStyles } from "../browser/libraries.js";
import { requireElement } from "../browser/elements.js";

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
 * @property {(text: string) => void} announce
 * @property {() => void} tuned called after the system prompt or the temperature of a conversation has changed
 * @property {KeyGroup[]} shortcuts
 */

export class Dialogs {
  #of;
  /** @type {import("./settings_dialog.js").SettingsDialog | null} */
  #settings = null;
  /** @type {import("./tuning_dialog.js").TuningDialog | null} */
  #tuning = null;
  /** @type {import("./shortcut_list.js").ShortcutList | null} */
  #shortcuts = null;

  /** @param {DialogParts} parts */
  constructor(parts) {
    this.#of = parts;
  }

  /** @param {Configuration} configuration */
  configure(configuration) {
    this.#settings?.configure(configuration);
  }

  async openSettings() {
    const { chat, settings, parts, useFiles, announce } = this.#of;
    const loaded = await parts.load(() => Promise.all([import("./settings_dialog.js"), import("./archive_controls.js"), loadDialogStyles()]));
    if (!loaded) return;
    if (!this.#settings) {
      const [{ SettingsDialog }, { ArchiveControls }] = loaded;
      const element = requireElement("settings", HTMLDialogElement);
      this.#settings = new SettingsDialog(element, settings);
      this.#settings.configure(chat.configuration);
      new ArchiveControls(element, useFiles, { imported: (id) => void chat.refresh(id), announce });
    }
    this.#settings.open();
  }

  /** Opens the dialog for the system prompt and the temperature of the shown conversation. */
  async openTuning() {
    const { chat, parts, tuned } = this.#of;
    const { conversation } = chat;
    const [loaded] = (await parts.load(() => Promise.all([import("./tuning_dialog.js"), loadDialogStyles()]))) ?? [];
    if (!loaded || chat.conversation !== conversation) return;
    if (!this.#tuning) {
      this.#tuning = new loaded.TuningDialog(requireElement("tuning", HTMLDialogElement));
      this.#tuning.configure(chat.configuration);
    }
    this.#tuning.edit(chat.tuning, (changes) => {
      chat.tune(changes, conversation);
      tuned();
    });
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
