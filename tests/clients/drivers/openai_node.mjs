// The openai package of npm.

import OpenAI from "openai";

import { MODEL, serve, TOOL } from "./requests_on_stdin.mjs";

const CITY = {
  name: "city",
  strict: true,
  schema: {
    type: "object",
    properties: { name: { type: "string" }, people: { type: "integer" } },
    required: ["name", "people"],
    additionalProperties: false,
  },
};

function messages(prompt) {
  return [{ role: "user", content: prompt }];
}

async function stream(seen, { prompt, model = MODEL, retries = 0 }) {
  const client = new OpenAI({ maxRetries: retries });
  const chunks = await client.chat.completions.create({
    model, messages: messages(prompt), stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of chunks) {
    if (chunk.usage) seen.count(chunk.usage.prompt_tokens, chunk.usage.completion_tokens);
    for (const choice of chunk.choices) {
      seen.reasoning += choice.delta.reasoning_content ?? "";
      seen.add(choice.delta.content);
      seen.finish = choice.finish_reason ?? seen.finish;
    }
  }
}

async function whole(seen, { prompt, model = MODEL, retries = 0 }) {
  const client = new OpenAI({ maxRetries: retries });
  const done = await client.chat.completions.create({ model, messages: messages(prompt) });
  seen.add(done.choices[0].message.content);
  seen.reasoning = done.choices[0].message.reasoning_content ?? "";
  seen.finish = done.choices[0].finish_reason;
  seen.count(done.usage.prompt_tokens, done.usage.completion_tokens);
}

async function tool(seen, { prompt }) {
  const done = await new OpenAI().chat.completions.stream({
    model: MODEL, messages: messages(prompt), tools: [TOOL],
  }).finalChatCompletion();
  for (const call of done.choices[0].message.tool_calls) seen.call(call.function.name, call.function.arguments);
  seen.finish = done.choices[0].finish_reason;
}

async function toolLoop(seen, { prompt }) {
  const runner = new OpenAI().chat.completions.runTools({
    model: MODEL,
    stream: true,
    messages: messages(prompt),
    tools: [{
      type: "function",
      function: {
        ...TOOL.function,
        parse: JSON.parse,
        function: (given) => {
          seen.call("weather", given);
          return `rain in ${given.city}`;
        },
      },
    }],
  });
  runner.on("content", (piece) => seen.add(piece));
  await runner.finalContent();
}

async function structured(seen, { prompt }) {
  const done = await new OpenAI().chat.completions.parse({
    model: MODEL, messages: messages(prompt), response_format: { type: "json_schema", json_schema: CITY },
  });
  seen.value = JSON.parse(done.choices[0].message.content);
}

async function abort(seen, { prompt }) {
  const chunks = await new OpenAI().chat.completions.create({ model: MODEL, messages: messages(prompt), stream: true });
  for await (const chunk of chunks) {
    seen.add(chunk.choices[0].delta.content);
    if (seen.pieces.length) break;
  }
}

async function models(seen) {
  const client = new OpenAI();
  seen.value = [];
  for await (const model of client.models.list()) seen.value.push(model.id);
  await client.models.retrieve(MODEL);
  await client.models.retrieve("other");
}

await serve({ stream, whole, tool, tool_loop: toolLoop, structured, abort, models });
