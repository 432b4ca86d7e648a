/**
 * Reloads the page when another user signs in in this browser, or its user signs out: nobody should see another user's
 * conversations. Loaded only where the application names its users.
 */

import { apiAddress, closeStorage, root, userKey } from "./page_root.js";

// another chat of the same origin may have other users
const channel = new BroadcastChannel(`sluice.users ${new URL(apiAddress(""), location.href).pathname}`);
channel.addEventListener("message", ({ data }) => {
  if (data.forgotten === userKey || data.forgotten === "all") closeStorage(); // by forget.js
  void check();
});
channel.postMessage({}); // this page may be the first one of a user
addEventListener("pagehide", () => channel.postMessage({})); // after a sign-out: the next document's cookies are set by now
document.addEventListener("visibilitychange", () => void (document.visibilityState === "visible" && check()));
addEventListener("pageshow", (event) => void (event.persisted && check()));

async function check() {
  if (await isAnother()) {
    root.hidden = true; // at once: the reload may take a while
    location.reload();
  }
}

/** @returns {Promise<boolean>} whether the server knows another user, or none; false if it does not answer */
async function isAnother() {
  try {
    const response = await fetch(apiAddress("api/config"));
    if (response.status === 401) return true;
    return response.ok && (await response.json()).user !== userKey;
  } catch {
    return false; // offline
  }
}
