// ChatOpenAI of @langchain/openai.

import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool as asTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

import { KEY, MODEL, serve, URL_OF_API } from "./requests_on_stdin.mjs";

const weather = asTool(({ city }) => `rain in ${city}`, {
  name: "weather", description: "The weather of a city.", schema: z.object({ city: z.string() }),
});
const CITY = z.object({ name: z.string(), people: z.number().int() });

function chat(model = MODEL, retries = 0) {
  return new ChatOpenAI({ model, apiKey: KEY, maxRetries: retries, configuration: { baseURL: URL_OF_API } });
}

function take(seen, message) {
  seen.add(message.content);
  const usage = message.usage_metadata;
  if (usage) seen.count(usage.input_tokens, usage.output_tokens);
  seen.finish = message.response_metadata?.finish_reason ?? seen.finish;
}

async function stream(seen, { prompt, model, retries }) {
  for await (const chunk of await chat(model, retries).stream(prompt)) take(seen, chunk);
}

async function whole(seen, { prompt, model, retries }) {
  take(seen, await chat(model, retries).invoke(prompt));
}

async function tool(seen, { prompt }) {
  let total;
  for await (const chunk of await chat().bindTools([weather]).stream(prompt)) total = total ? total.concat(chunk) : chunk;
  for (const call of total.tool_calls) seen.call(call.name, call.args);
  seen.finish = total.response_metadata.finish_reason;
}

async function toolLoop(seen, { prompt }) {
  const bound = chat().bindTools([weather]);
  const asked = [new HumanMessage(prompt)];
  asked.push(await bound.invoke(asked));
  for (const call of asked[1].tool_calls) {
    seen.call(call.name, call.args);
    asked.push(new ToolMessage({ content: await weather.invoke(call.args), tool_call_id: call.id }));
  }
  for await (const chunk of await bound.stream(asked)) take(seen, chunk);
}

async function structured(seen, { prompt }) {
  seen.value = await chat().withStructuredOutput(CITY, { method: "jsonSchema" }).invoke(prompt);
}

async function abort(seen, { prompt }) {
  for await (const chunk of await chat().stream(prompt)) {
    seen.add(chunk.content);
    if (seen.pieces.length) break;
  }
}

await serve({ stream, whole, tool, tool_loop: toolLoop, structured, abort });
