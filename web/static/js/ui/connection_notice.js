/** Says when the browser has lost its network, and when it has it again. */

export class ConnectionNotice {
  #notices;
  #status;

  /**
   * @param {import("./notices.js").Notices} notices
   * @param {(key: import("../i18n/language.js").TextKey) => void} status tells the reader who does not see the page
   */
  constructor(notices, status) {
    this.#notices = notices;
    this.#status = status;
    addEventListener("offline", () => this.#show());
    addEventListener("online", () => {
      this.#show();
      this.#status("backOnline");
    });
    this.#show();
  }

  #show() {
    if (navigator.onLine) this.#notices.hide("offlineNotice");
    else this.#notices.show("offlineNotice");
  }
}
