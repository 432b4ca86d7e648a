/** Puts the images of questions into a request. Loaded with the first of them. */

import { loadImages } from "../storage/image_store.js";

/** @typedef {import("../api/chat_request.js").Question} Question */

/**
 * @param {Question} question whose images are given by their ids
 * @returns {Promise<Question>} the same with the images themselves. Those that this browser does not have any more are
 *   left out; in their place, the transcript has a note.
 */
export async function withImages(question) {
  const { images = [], history } = question;
  const found = await loadImages([...images, ...history.flatMap((message) => message.images ?? [])]);
  const dataOf = (/** @type {string[]} */ ids) => ids.flatMap((id) => found.get(id) ?? []);
  return {
    ...question,
    images: dataOf(images),
    history: history.map((message) => ({ ...message, ...(message.images && { images: dataOf(message.images) }) })),
  };
}
