/** Reads the ZIP file of ChatGPT's data export: its conversations are one file of JSON or several, among images and pages. */

import { loadUnzipit } from "../browser/libraries.js";
import { missingPart } from "../ui/part_loader.js";
import { ArchiveError } from "./archive_error.js";

const CONVERSATIONS = /(?:^|\/)conversations(?:-\d+)?\.json$/;
const SIGNATURE = "PK\u0003\u0004"; // of the first file in it

/** @param {Blob} file @returns {Promise<boolean>} by its beginning: a name may have lost its extension */
export async function isZip(file) {
  return (await file.slice(0, SIGNATURE.length).text()) === SIGNATURE;
}

/**
 * @param {Blob} file which may be larger than memory
 * @param {number} mostBytes of the conversations
 * @returns {Promise<unknown[]>} the conversations of all files, parsed; empty if there are none
 * @throws {ArchiveError}
 */
export async function zippedConversations(file, mostBytes) {
  const unzipit = await loadUnzipit();
  if (!unzipit) throw new ArchiveError(missingPart());
  try {
    const { entries } = await unzipit.unzip(file);
    const found = Object.values(entries).filter(({ name }) => CONVERSATIONS.test(name)).sort(byName);
    if (found.reduce((sum, { size }) => sum + size, 0) > mostBytes) throw new ArchiveError("archiveTooLarge");
    const values = await Promise.all(found.map((entry) => entry.json()));
    return values.flat();
  } catch (error) {
    if (error instanceof ArchiveError) throw error;
    // the library's other errors tell what is wrong with the file
    throw new ArchiveError(error instanceof DOMException ? "archiveUnreadable" : "archiveDamaged");
  }
}

/** @param {{ name: string }} one @param {{ name: string }} other */
function byName({ name: one }, { name: other }) {
  return one < other ? -1 : 1;
}
