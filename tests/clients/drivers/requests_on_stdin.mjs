// The loop of a driver in JavaScript: the same as requests_on_stdin.py.

import { createInterface } from "node:readline";

export const MODEL = process.env.MODEL;
export const URL_OF_API = process.env.OPENAI_BASE_URL;
export const KEY = process.env.OPENAI_API_KEY;

export const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
/** The tool that all clients offer, in OpenAI's form. */
export const TOOL = {
  type: "function",
  function: { name: "weather", description: "The weather of a city.", parameters: PARAMETERS },
};

function write(fields) {
  process.stdout.write(JSON.stringify(fields) + "\n");
}

/** What a client showed of one answer. */
class Seen {
  pieces = [];
  reasoning = "";
  calls = [];
  usage = [];
  finish = null;
  value = null;

  add(text) {
    if (text) {
      this.pieces.push(text);
      write({ piece: text });
    }
  }

  count(tokensIn, tokensOut) {
    if (tokensIn || tokensOut) this.usage.push([tokensIn ?? 0, tokensOut ?? 0]);
  }

  call(name, given) {
    this.calls.push({ name, arguments: typeof given === "string" ? JSON.parse(given) : given });
  }
}

function describe(error) {
  const types = [];
  for (let type = error; type && type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    const name = type.constructor?.name;
    if (name && !types.includes(name)) types.push(name);
  }
  const status = error.status ?? error.statusCode ?? error.lastError?.statusCode ?? null;
  return { types, message: String(error.message ?? error), status, code: error.code ?? null };
}

/** Do what is asked for until standard input ends: functions of a `Seen` and of the request. */
export async function serve(operations) {
  // What packages print themselves belongs to no answer.
  for (const name of ["log", "info", "debug", "warn"]) console[name] = console.error;
  write({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...request } = JSON.parse(line);
    const seen = new Seen();
    let error = null;
    try {
      await operations[name](seen, request);
    } catch (failure) {
      error = describe(failure);
    }
    write({ seen: { ...seen, error } });
  }
  process.exit(0);
}
