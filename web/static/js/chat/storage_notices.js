/** The notice of what is wrong with the storage now. */

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

export class StorageNotices {
  #notices;

  /** @param {import("../ui/notices.js").Notices} notices */
  constructor(notices) {
    this.#notices = notices;
  }

  /** @param {StorageErrorReason | null} reason null if nothing is wrong any more */
  show(reason) {
    const current = reason && NOTICES[reason];
    this.#notices.hide(...Object.values(NOTICES).filter((key) => key !== current));
    if (current) this.#notices.show(current);
  }
}
