/**
 * Moves the open edits of questions that another tab has deleted to the message box, and back when that is undone.
 * Loaded with the first change of another tab.
 */

import { draftOwnerOf, removeDrafts } from "../storage/draft.js";

/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */

/**
 * Gives edits back to their questions, the last ones first.
 * @type {{ of: Exchange[], give: () => void }[]}
 */
let moved = [];

/**
 * @param {Exchange[]} exchanges those that the shown conversation has now
 * @param {[Exchange, string][]} edits of the shown questions, with what is unsent
 * @param {(texts: string[]) => () => boolean} append puts texts behind the message; returns what removes them, unless the
 *   message was changed since
 * @returns {boolean} whether some were moved to the message box
 */
export function moveEdits(exchanges, edits, append) {
  const isHere = (/** @type {Exchange} */ { id }) => exchanges.some((each) => each.id === id);
  moved = moved.filter(({ of, give }) => !of.every(isHere) || give());
  const lost = edits.filter(([exchange]) => !isHere(exchange));
  if (lost.length === 0) return false;
  const restore = lost.map(([exchange]) => removeDrafts({ ...draftOwnerOf(exchange), exchanges: [] }));
  const takeBack = append(lost.map(([, text]) => text));
  const give = () => void (takeBack() && restore.forEach((each) => each()));
  moved.unshift({ of: lost.map(([exchange]) => exchange), give });
  return true;
}
