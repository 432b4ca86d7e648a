/**
 * Keeps the images of questions in this browser, in a database of their own: an exchange has their ids, so that they are
 * not written again with each part of its answer. They have a budget: the oldest are dropped first.
 */

import { isStorageClosed, storageName } from "../browser/page_root.js";
import { IMAGES, imagesStoredIn, PREFIX } from "./draft.js";
import { areImagesHeld } from "./image_hold.js";
import { addRefused, dropRefused, storeRefused } from "./refused_images.js";
import { unusedForLong } from "./unused.js";

/**
 * @typedef {object} NewImage
 * @property {string} id
 * @property {string} name of its file
 * @property {number} width pixels
 * @property {number} height
 * @property {string} data a data URL
 *
 * @typedef {{ id: string, data: string, added: number }} ImageRecord `added` in milliseconds since 1970
 */

const NAME = storageName("images");
const BUDGET_CHARS = 64_000_000; // of data URLs: a hundred of the largest images, and most of what browsers give
const UNUSED_MS = 600_000; // after which an image that no exchange has is deleted: a tab may not have stored it yet

/** The images that this page has added, also if the browser does not keep them. @type {Map<string, string>} */
const added = new Map();

/** Called when images were added that an earlier page or another browser had. @type {Set<() => void>} */
const listeners = new Set();

/** @param {() => void} listener */
export function onImagesAdded(listener) {
  listeners.add(listener);
}

/**
 * @param {NewImage[]} images
 * @returns {Promise<boolean>} whether the browser keeps them; if not, they are stored when there is room
 */
export async function keepImages(images) {
  for (const { id, data } of images) added.set(id, data);
  try {
    await putImages(images);
  } catch {
    addRefused(images, (image) => putImages([image])); // the storage is full or turned off; the page says so
    return false;
  }
  dropRefused(images.map(({ id }) => id));
  void storeRefused();
  return true;
}

/** @param {{ id: string, data: string }[]} images for which the oldest ones are dropped */
function putImages(images) {
  return useImages("readwrite", async (store) => {
    for (const { id, data } of images) store.put({ id, data, added: Date.now() });
    await dropOldest(store);
  });
}

/**
 * @param {string[]} ids
 * @returns {Promise<Map<string, string>>} the data URLs of those that are in this browser
 */
export async function loadImages(ids) {
  const found = new Map(ids.flatMap((id) => (added.has(id) ? [[id, added.get(id) ?? ""]] : [])));
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length === 0) return found;
  try {
    await useImages("readonly", async (store) => {
      /** @type {(ImageRecord | undefined)[]} */
      const records = await Promise.all(missing.map((id) => result(store.get(id))));
      for (const record of records) if (record) found.set(record.id, record.data);
    });
  } catch {
    // turned off, or deleted: the images are missing, which the transcript says
  }
  return found;
}

/**
 * @param {string[]} ids
 * @returns {Promise<Set<string>>} those whose images are in this browser
 */
export async function findImages(ids) {
  /** @type {IDBValidKey[]} */
  const keys = await useImages("readonly", (store) => result(store.getAllKeys())).catch(() => []);
  const kept = new Set(keys);
  return new Set(ids.filter((id) => kept.has(id) || added.has(id)));
}

/**
 * Adds images of imported questions. No image that is here is replaced, or dropped to make room.
 * @param {{ id: string, data: string }[]} images
 * @returns {Promise<{ added: number, isKept: boolean }>} how many fit, and whether the browser keeps them
 */
export async function addImages(images) {
  /** @type {{ id: string, data: string }[]} */
  let fitting = [];
  let isKept = true;
  try {
    fitting = await putFitting(images);
  } catch {
    isKept = false; // full or turned off: this page shows them until there is room, or it is left
    fitting = images;
    for (const { id, data } of images) added.set(id, data);
    addRefused(images, (image) => putFitting([image]));
  }
  if (fitting.length > 0) for (const listener of listeners) listener();
  return { added: fitting.length, isKept };
}

/**
 * @param {{ id: string, data: string }[]} images
 * @returns {Promise<{ id: string, data: string }[]>} those that were not here and fit into the budget
 */
function putFitting(images) {
  return useImages("readwrite", async (store) => {
    /** @type {{ id: string, data: string }[]} */
    const fitting = [];
    let room = BUDGET_CHARS;
    /** @type {string[]} */
    const here = await result(store.getAllKeys());
    for (const id of here) room -= (await result(store.get(id))).data.length; // one at a time: together they may be 64 MB
    for (const { id, data } of images) {
      if (here.includes(id) || data.length > room) continue;
      room -= data.length;
      fitting.push({ id, data });
      store.put({ id, data, added: Date.now() });
    }
    return fitting;
  });
}

/**
 * Deletes images that no exchange and no draft has any more, unless a deletion may still be undone, or a question waits for
 * room. Plain http has no Web Locks, which tell that: there, they are kept for a week.
 * @param {() => Promise<Set<string> | null>} findUsed the ids of those that exchanges have; null if that cannot be read
 */
export async function deleteUnused(findUsed) {
  try {
    const before = Date.now() - UNUSED_MS;
    /** @type {ImageRecord[]} */
    const records = await useImages("readonly", (store) => result(store.getAll()));
    const old = records.filter((record) => record.added < before);
    const used = old.length > 0 ? await findUsed() : null;
    if (!used || (await areImagesHeld())) return; // asked last: a deletion since the reading leaves what was in use
    for (const id of idsInDrafts()) used.add(id);
    const unused = old.map(({ id }) => id).filter((id) => !used.has(id));
    const forgotten = navigator.locks ? unused : unusedForLong("images", unused);
    await useImages("readwrite", async (store) => {
      for (const id of forgotten) store.delete(id);
    });
  } catch {
    // turned off: nothing is kept
  }
}

/** @returns {string[]} */
function idsInDrafts() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX) && key.endsWith(IMAGES));
  return keys.flatMap((key) => imagesStoredIn(localStorage.getItem(key) ?? "").map(({ id }) => id));
}

/** @param {IDBObjectStore} store */
async function dropOldest(store) {
  /** @type {ImageRecord[]} */
  const records = await result(store.index("added").getAll());
  let size = records.reduce((sum, { data }) => sum + data.length, 0);
  for (const { id, data } of records) {
    if (size <= BUDGET_CHARS) return;
    store.delete(id);
    size -= data.length;
  }
}

/**
 * @template Result
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<Result>} work
 * @returns {Promise<Result>} fulfilled when all is stored
 * @throws {DOMException} if the browser refuses
 */
async function useImages(mode, work) {
  if (isStorageClosed()) throw new DOMException("The storage is being deleted.", "InvalidStateError");
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("images", { keyPath: "id" }).createIndex("added", "added");
  /** @type {IDBDatabase} */
  const database = await result(opening);
  try {
    const transaction = database.transaction("images", mode);
    /** @type {Promise<void>} */
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new DOMException("Aborted.", "AbortError"));
    });
    const [value] = await Promise.all([work(transaction.objectStore("images")), done]);
    return value;
  } finally {
    database.close(); // each use opens it, so that it can be deleted at any time
  }
}

/**
 * @param {IDBRequest} request
 * @returns {Promise<any>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
