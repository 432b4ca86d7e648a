/**
 * Reads the sources of an answer in the export files of ChatGPT and Open WebUI.
 *
 * ChatGPT has them in `metadata.content_references`, older files in `metadata.citations`. Open WebUI has passages of
 * documents in `sources`; see `Citations.svelte` in https://github.com/open-webui/open-webui.
 */

import { sourceFrom } from "../api/answer_parts.js";
import { MOST_PARTS } from "../conversation/answer_parts.js";
import { list, text } from "./foreign_values.js";

/** @typedef {import("../api/answer_parts.js").SourceEvent} SourceEvent */

/**
 * @typedef {object} Sources
 * @property {SourceEvent[]} sources
 * @property {number} leftOut how many others are too many, or have neither a title nor a web address
 *
 * @typedef {object} Candidate
 * @property {unknown} title
 * @property {unknown} url
 * @property {unknown} [text]
 * @property {string} [key] the same for those of one source; otherwise the address or else the title is
 */

const MAX_PASSAGE_CHARS = 500; // the page shows two lines

/**
 * @param {any} metadata of a message
 * @returns {Sources}
 */
export function chatGptSources(metadata) {
  const cited = list(metadata?.citations).map((/** @type {any} */ citation) => citation?.metadata);
  const all = [...list(metadata?.content_references).flatMap(sitesOf), ...cited];
  return sourcesFrom(all.map((/** @type {any} */ each) => ({ title: text(each?.title) || each?.name, url: each?.url })));
}

/** @param {any} reference @returns {unknown[]} none if it is of another kind, such as an image */
function sitesOf(reference) {
  const { items, fallback_items: others, sources, type, url } = reference ?? {};
  const sites = [...(list(items).length > 0 ? list(items) : list(others)), ...list(sources)];
  if (sites.length > 0) return sites.flatMap((/** @type {any} */ site) => [site, ...list(site?.supporting_websites)]);
  return url || type === "file" || /^grouped_webpages/.test(text(type)) ? [reference] : [];
}

/**
 * @param {any} message
 * @returns {Sources} in the order of the numbers that the answer may name
 */
export function openWebUiSources(message) {
  return sourcesFrom(list(message?.sources ?? message?.citations).flatMap(passagesOf));
}

/** @param {any} entry one source, or several that were found together @returns {Candidate[]} */
function passagesOf(entry) {
  const { source, document, metadata } = entry ?? {};
  const count = Math.max(1, list(document).length, list(metadata).length);
  return Array.from({ length: count }, (_, index) => {
    const { source: from, name, title } = /** @type {any} */ (list(metadata)[index] ?? {});
    const id = text(from) || text(source?.id) || text(source?.url);
    const url = /^https?:/i.test(id) ? id : source?.url;
    // the name of several sources is what was searched for
    const ofAll = url === id && url !== source?.url ? "" : text(source?.name);
    return { title: text(name) || text(title) || ofAll || id, url, text: list(document)[index], ...(id && { key: id }) };
  });
}

/**
 * @param {Candidate[]} candidates
 * @returns {Sources}
 */
function sourcesFrom(candidates) {
  /** @type {Map<string, SourceEvent>} */
  const known = new Map();
  let leftOut = 0;
  for (const { key, ...candidate } of candidates) {
    const source = sourceFrom(candidate, MAX_PASSAGE_CHARS);
    const name = key ?? (source?.url || source?.title || "");
    if (!source) leftOut++;
    else if (!known.has(name)) known.set(name, source);
  }
  const sources = [...known.values()];
  return { sources: sources.slice(0, MOST_PARTS), leftOut: leftOut + Math.max(0, sources.length - MOST_PARTS) };
}
