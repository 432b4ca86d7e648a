/**
 * Deletes what this browser stores of one user's conversations, or of all users'. The application's page after a sign-out
 * includes this file by `sluice_forget()`. Nothing is deleted that pages without users have stored, or that belongs to
 * the application.
 */

const script = /** @type {HTMLElement} */ (document.querySelector("script[data-sluice-forget]"));
const { sluiceForget: user, path } = script.dataset;
const isForgotten = user
  ? (/** @type {string} */ name) => `${name}.`.startsWith(`sluice.${user}.`)
  : (/** @type {string} */ name) => /^sluice\.[0-9a-f]{20}(\.|$)/.test(name);

for (const storage of [localStorage, sessionStorage]) {
  for (const key of Object.keys(storage)) if (isForgotten(key)) storage.removeItem(key);
}
for (const { name } of await indexedDB.databases()) {
  if (name && isForgotten(name)) indexedDB.deleteDatabase(name); // open pages of that user close it
}
// those pages then ask who is signed in
new BroadcastChannel(`sluice.users ${path}`).postMessage({ forgotten: user || "all" });

export {}; // a module, because it awaits
