/** The notice of tools that wait for the reader's permission in conversations that are not shown. */

export class AwaitedPermissions {
  #notices;
  #open;
  /** @type {string[]} */
  #conversations = [];

  /**
   * @param {import("../ui/notices.js").Notices} notices
   * @param {(conversation: string) => void} open
   */
  constructor(notices, open) {
    this.#notices = notices;
    this.#open = open;
  }

  /** @param {string[]} conversations with such a tool, and not shown */
  show(conversations) {
    const [count, before] = [conversations.length, this.#conversations.length];
    this.#conversations = conversations;
    if (count === 0 || count > before) this.#notices.hide("awaitedElsewhere"); // shown again, it is announced again
    if (count > before) this.#notices.show("awaitedElsewhere", { isUrgent: false, open: () => this.#openFirst() });
  }

  #openFirst() {
    const [first] = this.#conversations;
    if (first) this.#open(first);
  }
}
