/**
 * Tells the open pages of the chat that a user has signed out. The application's page after a sign-out includes this file
 * by `sluice_signed_out()`.
 */

const { path } = /** @type {HTMLElement} */ (document.querySelector("script[data-sluice-signed-out]")).dataset;
new BroadcastChannel(`sluice.users ${path}`).postMessage({}); // those pages then ask who is signed in

export {}; // a module, so that its names are its own
