/** Tells the other tabs of this page which conversations were changed or deleted. */

import { storageName } from "../browser/page_root.js";

/**
 * @typedef {{ kind: "changed" | "deleted", conversation: string }} TabMessage
 */

const CHANNEL = storageName("conversations");

export class TabChannel {
  #channel = new BroadcastChannel(CHANNEL);

  /** @param {(message: TabMessage) => void} received */
  constructor(received) {
    this.#channel.addEventListener("message", ({ data }) => received(data));
  }

  /** @param {TabMessage} message */
  post(message) {
    this.#channel.postMessage(message);
  }
}
