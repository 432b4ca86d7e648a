/** Shows a notice while the browser is offline. */

export class ConnectionNotice {
  #notices;
  #announce;

  /**
   * @param {import("./notices.js").Notices} notices
   * @param {(key: import("../i18n/language.js").TextKey) => void} announce for screen readers
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
