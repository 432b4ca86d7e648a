/** The notice of what is wrong with the storage now: of the shown conversation, of another one, or of all. */

/** @typedef {import("../i18n/language.js").TextKey} TextKey */
/** @typedef {import("../storage/storage_error.js").StorageErrorReason} StorageErrorReason */

/** @type {Record<StorageErrorReason, TextKey>} */
const NOTICES = {
  missing: "storageMissing",
  unavailable: "storageUnavailable",
  full: "storageFull",
  newer: "storageNewer",
  older: "storageOlder",
  waiting: "storageWaiting",
  failed: "storageFailed",
};
/** @type {TextKey} */
const ELSEWHERE = "storageElsewhere";
/** Nothing is unsaved: something could not be read or deleted. @type {TextKey} */
const NOT_DONE = "storageNotDone";
/** The reasons that need not concern all conversations. @type {Set<StorageErrorReason>} */
const OF_ONE = new Set(["full", "failed"]);

export class StorageNotices {
  #notices;
  #isUnsaved;
  #open;
  /** By the ids of conversations; "" stands for all. @type {Map<string, StorageErrorReason>} */
  #reasons = new Map();
  /** The id of the conversation that is shown. */
  #conversation = "";
  /** The last one, which the reader may have dismissed. @type {TextKey | undefined} */
  #shown;

  /**
   * @param {import("../ui/notices.js").Notices} notices
   * @param {(id: string) => boolean} isUnsaved whether a conversation has changes that are not stored
   * @param {(id: string) => void} open shows a conversation
   */
  constructor(notices, isUnsaved, open) {
    this.#notices = notices;
    this.#isUnsaved = isUnsaved;
    this.#open = open;
  }

  /**
   * @param {StorageErrorReason} reason
   * @param {string[]} ids of the conversations that could not be read or stored; empty if it was something else
   */
  failed(reason, ids) {
    for (const id of OF_ONE.has(reason) && ids.length > 0 ? ids : [""]) this.#reasons.set(id, reason);
    this.#shown = undefined; // shown again
    this.#show();
  }

  /** Call when something was stored. */
  saved() {
    for (const id of [...this.#reasons.keys()]) if (!this.#isUnsaved(id)) this.#reasons.delete(id);
    this.#show();
  }

  /** @param {string} id of a conversation that was read, which may have failed before; "" if all were */
  read(id) {
    const reason = this.#reasons.get(id);
    if (!reason || !OF_ONE.has(reason) || this.#isUnsaved(id)) return;
    this.#reasons.delete(id);
    this.#show();
  }

  /** @param {string} id of a conversation that is gone */
  forget(id) {
    this.#reasons.delete(id);
    this.#show();
  }

  /** @param {string} id of the conversation that is shown now */
  showOf(id) {
    if (id === this.#conversation) return; // a notice that was dismissed does not come back
    for (const each of this.#reasons.keys()) if (each && !this.#isUnsaved(each)) this.#reasons.delete(each); // it is read again
    this.#conversation = id;
    this.#shown = undefined;
    this.#show();
  }

  /** @returns {TextKey | undefined} */
  get #current() {
    const ofAll = this.#reasons.get("");
    if (ofAll && !OF_ONE.has(ofAll)) return NOTICES[ofAll];
    const ofShown = this.#reasons.get(this.#conversation);
    if (ofShown && this.#isUnsaved(this.#conversation)) return NOTICES[ofShown];
    if (this.#firstUnsaved) return ELSEWHERE;
    return this.#reasons.size > 0 ? NOT_DONE : undefined;
  }

  get #firstUnsaved() {
    return [...this.#reasons.keys()].find((id) => this.#isUnsaved(id));
  }

  #show() {
    const current = this.#current;
    this.#notices.hide(...[...Object.values(NOTICES), ELSEWHERE, NOT_DONE].filter((key) => key !== current));
    if (current && current !== this.#shown) this.#notices.show(current, current === ELSEWHERE ? { open: () => this.#openFirst() } : {});
    this.#shown = current;
  }

  #openFirst() {
    const id = this.#firstUnsaved;
    if (id) this.#open(id);
  }
}
