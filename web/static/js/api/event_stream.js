/**
 * A reader of `text/event-stream`, as the HTML standard defines it.
 *
 * It is our own, and always the one used, because the page must be able to read an answer also where the
 * vendored libraries are missing. Two parts that can be read apart: lines, then events.
 */

/** @typedef {{ type: string, data: string, id: string }} ServerEvent */

/** No event of ours comes near this. Without a bound, a stream with no line end would fill the memory. */
export const MAX_EVENT_CHARS = 4 * 1024 * 1024;

export class EventTooLarge extends Error {
  constructor() {
    super(`An event of the stream is longer than ${MAX_EVENT_CHARS} characters.`);
    this.name = "EventTooLarge";
  }
}

/** Cuts text into lines. Only CR, LF and CRLF end a line; U+2028 and the like stay in it. */
export class LineSplitter {
  #rest = "";
  #lastWasCr = false;

  /**
   * @param {string} text the next piece of the stream, cut anywhere
   * @returns {string[]} the lines that are now complete, without their ends
   */
  push(text) {
    if (this.#lastWasCr && text.startsWith("\n")) text = text.slice(1);
    else if (text === "") return [];
    this.#lastWasCr = text === "" ? false : text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_EVENT_CHARS) throw new EventTooLarge();
    return lines;
  }
}

/** Gathers lines into events. A comment, an unknown field and an event without data come to nothing. */
export class EventAssembler {
  #type = "";
  #id = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;

  /**
   * @param {string} line one line without its end
   * @returns {ServerEvent | null} the event that this line, an empty one, completes
   */
  push(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") {
      this.#size += value.length + 1;
      if (this.#size > MAX_EVENT_CHARS) throw new EventTooLarge();
      this.#data.push(value);
    } else if (field === "event") {
      this.#type = value;
    } else if (field === "id" && !value.includes("\0")) {
      this.#id = value;
    }
    return null;
  }

  #dispatch() {
    const event =
      this.#data.length > 0
        ? { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id }
        : null;
    this.#type = "";
    this.#data = [];
    this.#size = 0;
    return event;
  }
}

/**
 * Reads a response body as events. What follows the last empty line is no event, as the standard says.
 *
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader of the body; who has it, closes it
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
export async function* readEvents(reader) {
  const decoder = new TextDecoder(); // drops one leading BOM, replaces bad UTF-8
  const lines = new LineSplitter();
  const events = new EventAssembler();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    for (const line of lines.push(decoder.decode(value, { stream: true }))) {
      const event = events.push(line);
      if (event) yield event;
    }
  }
}
