/** Exports conversations as files, and imports them. */

import { callsOf } from "../conversation/answer_parts.js";
import { escaped, sourceList } from "../conversation/markdown_text.js";
import { collectImages, importImages } from "./archived_images.js";
import { ArchiveError } from "./archive_error.js";
import { readArchive, writeArchive } from "./archive.js";
import { texts } from "../i18n/language.js";

/** @typedef {import("../conversation/conversation.js").Conversation} Conversation */
/** @typedef {import("../conversation/exchange.js").Exchange} Exchange */
/** @typedef {import("../storage/conversation_store.js").ConversationStore} ConversationStore */
/** @typedef {import("../ui/notices.js").Notices} Notices */

const FORBIDDEN = /[\\/:*?"<>|\p{Cc}\p{Cf}]+/gu; // in file names, on some operating system
const MAX_NAME_CHARS = 80; // file systems allow 255 bytes

export class ConversationFiles {
  #store;
  #notices;

  /**
   * @param {ConversationStore} store
   * @param {Notices} notices
   */
  constructor(store, notices) {
    this.#store = store;
    this.#notices = notices;
  }

  /** @param {string} id */
  async exportMarkdown(id) {
    const conversation = await this.#store.load(id);
    if (conversation) download(conversation.record.title, "md", new Blob([markdownOf(conversation)], { type: "text/markdown;charset=utf-8" }));
  }

  /** @param {string} id */
  async exportJson(id) {
    const conversation = await this.#store.load(id);
    this.#notices.hide("imagesNotExported"); // shown again, it is announced again
    if (conversation && !(await exportJson(conversation.record.title, [conversation]))) this.#notices.show("imagesNotExported", { isUrgent: false });
  }

  /** @returns {Promise<string>} a message for the reader; empty if all is in the file */
  async exportAll() {
    const all = await Promise.all(this.#store.list.map(({ id }) => this.#store.load(id)));
    const read = all.flatMap((conversation) => conversation ?? []);
    const unread = all.filter((conversation) => conversation === undefined).length;
    const day = new Date().toLocaleDateString("sv"); // in the form of ISO 8601; of the reader, and not of UTC
    const haveImages = read.length === 0 || (await exportJson(`sluice ${day}`, read));
    return texts.inARow([
      ...(read.length === 0 ? [texts.nothingExported] : []),
      ...(unread > 0 ? [texts.conversationsNotRead(unread)] : []),
      ...(this.#store.isListRead ? [] : [texts.listNotRead]),
      ...(haveImages ? [] : [texts.imagesNotExported]),
    ]);
  }

  /**
   * Imports conversations. Present ones get missing and newer exchanges; nothing is removed.
   * @param {Blob} file
   * @param {(sentence: string) => void} progressed called with how many of a large file's conversations are imported
   * @returns {Promise<{ ids: string[], message: string }>} the imported ids, and a message for the reader
   */
  async import(file, progressed) {
    try {
      const { conversations, images, leftOut } = await readArchive(file);
      const ofImages = await importImages(conversations, images); // first: the conversations show them at once
      const counts = await this.#store.add(conversations, {
        progressed: (done) => progressed(texts.importedSoFar(done, conversations.length)),
      });
      const sentences = [texts.imported(counts), ...(leftOut > 0 ? [texts.leftOutOfImport(leftOut)] : []), ...imageSentences(ofImages)];
      return { ids: conversations.map(({ id }) => id), message: texts.inARow(sentences) };
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      return { ids: [], message: texts[error.problem] };
    }
  }
}

/**
 * Downloads conversations with their images.
 * @param {string} name without its extension
 * @param {Conversation[]} conversations
 * @returns {Promise<boolean>} whether all images are in the file
 */
async function exportJson(name, conversations) {
  let areAll = true;
  const archive = await writeArchive(conversations, async (room) => {
    const collected = await collectImages(conversations, room);
    areAll = collected.areAll;
    return collected.images;
  });
  download(name, "json", archive);
  return areAll;
}

/** @param {import("./archived_images.js").ImageCounts} counts */
function imageSentences({ added, missing, refused, excess, isKept }) {
  return [
    ...(added > 0 ? [texts.imagesImported(added)] : []),
    ...(missing > 0 ? [texts.imagesNotInFile(missing)] : []),
    ...(refused > 0 ? [texts.imagesRefused(refused)] : []),
    ...(excess > 0 ? [texts.imagesWithoutRoom(excess)] : []),
    ...(isKept ? [] : [texts.imagesNotKept]),
  ];
}

/**
 * Writes the shown path as Markdown: each question quoted above its answer.
 * @param {Conversation} conversation
 * @returns {string}
 */
function markdownOf({ record, path }) {
  const day = new Date(record.created).toLocaleDateString(texts.tag, { dateStyle: "long" });
  return [`# ${record.title}`, `*${day}*`, ...path.map(section)].join("\n\n") + "\n";
}

/** @param {Exchange} exchange */
function section(exchange) {
  const { question, answer, state, parts: others, images = [] } = exchange;
  const quoted = question.split("\n").map((line) => `> ${line}`.trimEnd());
  const parts = [quoted.join("\n")];
  if (images.length > 0) parts.push(`*${texts.imagesSent(images.map(({ name }) => escaped(name)))}*`);
  if (answer.trim() !== "") parts.push(answer.trim());
  const tools = [...new Set(callsOf(others).map(({ name }) => escaped(name)))];
  if (tools.length > 0) parts.push(`*${texts.toolsUsed(tools)}*`);
  const sources = sourceList(exchange);
  if (sources) parts.push(sources);
  if (state !== "complete") parts.push(`*${texts.incomplete}*`);
  return parts.join("\n\n");
}

/**
 * @param {string} name without its extension
 * @param {"md" | "json"} extension
 * @param {Blob} content
 */
function download(name, extension, content) {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = `${fileName(name)}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url)); // the download has started by then
}

/** @param {string} name */
function fileName(name) {
  const plain = name.replace(FORBIDDEN, " ").replace(/\s+/g, " ").trim().replace(/^\.+/, "");
  return [...plain].slice(0, MAX_NAME_CHARS).join("").trim() || "sluice";
}
