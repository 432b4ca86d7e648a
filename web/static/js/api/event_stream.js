/**
 * Reads `text/event-stream`, as the HTML standard defines it. Not a vendored library: the page must be able to read
 * answers even if those are missing.
 */

/** @typedef {{ type: string, data: string, id: string }} ServerEvent */

/** Far above the server's largest event. Without a limit, a stream without line ends would fill the memory. */
export const MAX_EVENT_CHARS = 4 * 1024 * 1024;

export class EventTooLarge extends Error {
  constructor() {
    super(`An event of the stream is longer than ${MAX_EVENT_CHARS} characters.`);
    this.name = "EventTooLarge";
  }
}

/** Splits text into lines at CR, LF and CRLF. Other separators such as U+2028 do not end a line. */
export class LineSplitter {
  #rest = "";
  #lastWasCr = false;

  /**
   * @param {string} text the next part of the stream, split anywhere
   * @returns {string[]} the completed lines, without their ends
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

/** Assembles lines into events. Ignores comments, unknown fields and events without data. */
export class EventAssembler {
  #type = "";
  #id = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;

  /**
   * @param {string} line one line without its end
   * @returns {ServerEvent | null} the event that an empty line completes; otherwise null
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
 * Reads a response body as events. Text after the last empty line is ignored, as the standard says.
 *
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader of the body; the caller closes it
 * @param {() => void} [alive] called for each part of the body, comments included
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
export async function* readEvents(reader, alive) {
  const decoder = new TextDecoder(); // drops one leading BOM, replaces bad UTF-8
  const lines = new LineSplitter();
  const events = new EventAssembler();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive?.();
    for (const line of lines.push(decoder.decode(value, { stream: true }))) {
      const event = events.push(line);
      if (event) yield event;
    }
  }
}
