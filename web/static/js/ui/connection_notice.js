/** Says when the browser has lost its network, and when it has it again. */

export class ConnectionNotice {
  #notices;
  #announce;

  /**
   * @param {import("./notices.js").Notices} notices
   * @param {(key: import("../i18n/language.js").TextKey) => void} announce tells the reader who does not see the page
   */
  constructor(notices, announce) {
    this.#notices = notices;
    this.#announce = announce;
    addEventListener("offline", () => this.#show());
    addEventListener("online", () => {
      this.#show();
      this.#announce("backOnline");
    });
    this.#show();
  }

  #show() {
    if (navigator.onLine) this.#notices.hide("offlineNotice");
    else this.#notices.show("offlineNotice");
  }
}
