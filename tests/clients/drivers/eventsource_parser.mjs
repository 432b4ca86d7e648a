// eventsource-parser: server-sent events over fetch, whose meaning is the program's own work.

import { EventSourceParserStream } from "eventsource-parser/stream";

import { KEY, MODEL, serve, URL_OF_API } from "./requests_on_stdin.mjs";

async function open(url, body, signal) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${KEY}` },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) {
    throw Object.assign(new Error((await response.json()).error.message), { status: response.status });
  }
  return response.body.pipeThrough(new TextDecoderStream());
}

async function stream(seen, { prompt, model = MODEL, leaves = false }) {
  const body = {
    model, messages: [{ role: "user", content: prompt }], stream: true, stream_options: { include_usage: true },
  };
  const leaving = new AbortController();
  const text = await open(`${URL_OF_API}/chat/completions`, body, leaving.signal);
  let comments = 0;
  let isDone = false;
  for await (const event of text.pipeThrough(new EventSourceParserStream({
    onError: "terminate",
    onComment: () => (comments += 1),
  }))) {
    if (event.data === "[DONE]") {
      isDone = true;
      break;
    }
    if (event.id !== undefined || event.event !== undefined) throw new Error(JSON.stringify(event));
    const chunk = JSON.parse(event.data);
    if (chunk.error) throw Object.assign(new Error(chunk.error.message), { code: chunk.error.code });
    if (chunk.usage) seen.count(chunk.usage.prompt_tokens, chunk.usage.completion_tokens);
    for (const choice of chunk.choices) {
      seen.reasoning += choice.delta.reasoning_content ?? "";
      seen.add(choice.delta.content);
      seen.finish = choice.finish_reason ?? seen.finish;
    }
    if (leaves && seen.pieces.length) {
      leaving.abort();
      return;
    }
  }
  seen.value = { comments };
  if (!isDone) throw new Error("the stream ended without [DONE]");
}

function abort(seen, request) {
  return stream(seen, { ...request, leaves: true });
}

/** Ask by Sluice's own API: `/api/chat`. */
async function ownApi(seen, { prompt }) {
  const text = await open(new URL("/api/chat", URL_OF_API), { message: prompt, interaction_mode: "stream" });
  const ids = [];
  for await (const event of text.pipeThrough(new EventSourceParserStream({ onError: "terminate" }))) {
    ids.push(event.id);
    const frame = JSON.parse(event.data);
    if (!frame.success) throw Object.assign(new Error(frame.error), { code: frame.code });
    seen.add(frame.message);
    seen.finish = frame.finish_reason ?? null;
  }
  seen.value = ids;
}

await serve({ stream, abort, own_api: ownApi });
