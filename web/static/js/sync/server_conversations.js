/** The conversations that the application keeps for its user: the API under `api/conversations`. */

import { apiAddress, postHeaders } from "../browser/page_root.js";
import { conversationFrom } from "../files/archive.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */

const CONFLICT = 412;
const TOO_LARGE = 413;

/** The server did not do what was asked: it cannot be reached, or refuses the user. */
export class SyncError extends Error {}

/**
 * @returns {Promise<Map<string, string>>} the version of each conversation
 * @throws {SyncError}
 */
export async function listVersions() {
  const { conversations } = await (await request("GET", "")).json();
  return new Map(conversations.map((/** @type {any} */ each) => [each.id, each.version]));
}

/**
 * @param {string} id
 * @returns {Promise<{ conversation: Conversation, version: string } | null>} null if there is none
 * @throws {SyncError}
 */
export async function loadConversation(id) {
  const response = await request("GET", `/${id}`, undefined, [404]);
  if (!response.ok) return null;
  const { conversation, version } = await response.json();
  try {
    return { conversation: conversationFrom(conversation, { mayRun: true }), version };
  } catch {
    throw new SyncError("damaged"); // stored by another program
  }
}

/**
 * @param {Conversation} conversation
 * @param {string | null} version on which it is based; null if the server should have none
 * @returns {Promise<{ version: string } | "changed" | "tooLarge">} the new version; or the server has another one, or refuses the size
 * @throws {SyncError}
 */
export async function saveConversation({ id, record, exchanges }, version) {
  const body = JSON.stringify({ version, conversation: { ...record, exchanges } });
  const response = await request("PUT", `/${id}`, body, [CONFLICT, TOO_LARGE]);
  if (response.status === CONFLICT) return "changed";
  if (response.status === TOO_LARGE) return "tooLarge";
  return response.json();
}

/**
 * @param {string} id
 * @throws {SyncError}
 */
export async function deleteConversation(id) {
  await request("DELETE", `/${id}`);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} [body]
 * @param {number[]} [expected] statuses other than success
 */
async function request(method, path, body, expected = []) {
  const headers = { ...postHeaders(), ...(body && { "Content-Type": "application/json" }) };
  let response;
  try {
    response = await fetch(apiAddress(`api/conversations${path}`), { method, headers, ...(body && { body }) });
  } catch {
    throw new SyncError("network");
  }
  if (!response.ok && !expected.includes(response.status)) throw new SyncError(String(response.status));
  return response;
}
