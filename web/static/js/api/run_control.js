/** Stops and forgets answers that the server keeps. */

import { apiAddress, postHeaders } from "../browser/page_root.js";
import { BackOff } from "./back_off.js";

/**
 * @param {string} id of a run
 * @param {string} [path]
 * @returns {string} the address of the run, or of something below it
 */
export function runAddress(id, path = "") {
  return apiAddress(`api/runs/${encodeURIComponent(id)}${path}`);
}

/**
 * Stops a run. Tries again for a while if the server cannot be reached.
 * @param {string} id
 */
export function stopRun(id) {
  return send(runAddress(id, "/stop"), "POST");
}

/**
 * Stops a run, and has the server forget it. Tries again for a while if the server cannot be reached.
 * @param {string} id
 */
export function deleteRun(id) {
  return send(runAddress(id), "DELETE");
}

/** @typedef {"decided" | "elsewhere" | "unknown" | "failed"} ConsentOutcome */

/**
 * Tells a run whether a tool may be called.
 * @param {string} id of the run
 * @param {string} call its id
 * @param {boolean} isAllowed
 * @returns {Promise<ConsentOutcome>} `elsewhere` if it was decided before; `unknown` if the run waits no more
 */
export async function sendConsent(id, call, isAllowed) {
  try {
    const { ok, status } = await fetch(runAddress(id, "/consent"), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...postHeaders() },
      body: JSON.stringify({ call, allow: isAllowed }),
    });
    if (ok) return "decided";
    return status === 409 ? "elsewhere" : status === 404 || status === 410 ? "unknown" : "failed";
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return "failed";
  }
}

/**
 * @param {string} address
 * @param {string} method
 */
async function send(address, method) {
  const backOff = new BackOff();
  for (;;) {
    let retryAfter = 0;
    try {
      const { status, headers } = await fetch(address, { method, headers: postHeaders(), keepalive: true });
      if (status < 500 && status !== 429) return; // also of a run that the server does not know any more
      retryAfter = Number(headers.get("Retry-After")) || 0;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    const delay = backOff.next(retryAfter);
    if (delay === null) return; // without a reader, the server stops the run by itself
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      addEventListener("online", () => resolve(clearTimeout(timer)), { once: true });
    });
  }
}
