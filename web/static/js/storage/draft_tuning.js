/** The system prompt and the temperature that were chosen before the first question, stored in this browser like its draft. */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { MAX_TEMPERATURE } from "../conversation/tuning.js";

/** @typedef {import("../conversation/tuning.js").Tuning} Tuning */

const KEY = storageName("draft.tuning.1"); // the number is the version of the format

/** What the browser refused to store, until the page is closed. @type {Tuning | null} */
let unsaved = null;

/** @returns {Tuning} for an empty conversation: all of them share it, as they share one draft */
export function readDraftTuning() {
  if (unsaved) return unsaved;
  try {
    const { systemPrompt, temperature } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return {
      ...(typeof systemPrompt === "string" && systemPrompt && { systemPrompt }),
      ...(typeof temperature === "number" && temperature >= 0 && temperature <= MAX_TEMPERATURE && { temperature }),
    };
  } catch {
    return {}; // turned off, or written by another program
  }
}

/**
 * @param {Tuning} tuning
 * @returns {boolean} false if the browser refuses: its storage is full or turned off
 */
export function saveDraftTuning({ systemPrompt, temperature }) {
  if (isStorageClosed()) return true;
  const isChosen = systemPrompt !== undefined || temperature !== undefined;
  try {
    if (isChosen) localStorage.setItem(KEY, JSON.stringify({ systemPrompt, temperature }));
    else localStorage.removeItem(KEY);
    unsaved = null;
    return true;
  } catch {
    unsaved = { ...(systemPrompt !== undefined && { systemPrompt }), ...(temperature !== undefined && { temperature }) };
    return false;
  }
}

/**
 * Removes it when the first question of a conversation has been asked, unless another tab has stored another one since.
 * @param {Tuning} tuning that of the conversation
 */
export function removeDraftTuning({ systemPrompt, temperature }) {
  const stored = readDraftTuning();
  if (stored.systemPrompt === systemPrompt && stored.temperature === temperature) saveDraftTuning({});
}
