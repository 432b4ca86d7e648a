/** Tells the other tabs of this page what was kept or deleted, and hears it from them. */

/**
 * @typedef {{ kind: "changed" | "deleted", conversation: string }} News
 */

const CHANNEL = "sluice.conversations";

export class Tabs {
  #channel = new BroadcastChannel(CHANNEL);

  /** @param {(news: News) => void} heard */
  constructor(heard) {
    this.#channel.addEventListener("message", ({ data }) => heard(data));
  }

  /** @param {News} news */
  tell(news) {
    this.#channel.postMessage(news);
  }
}
