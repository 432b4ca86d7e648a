// The AI SDK (`ai`), by its provider of OpenAI-compatible servers. AI_MAJOR chooses which releases of both.

import { KEY, MODEL, PARAMETERS, serve, URL_OF_API } from "./requests_on_stdin.mjs";

const PACKAGES = {
  5: [() => import("ai-5"), () => import("openai-compatible-1")],
  6: [() => import("ai-6"), () => import("openai-compatible-2")],
  7: [() => import("ai"), () => import("@ai-sdk/openai-compatible")],
};
const [ai, compatible] = await Promise.all(PACKAGES[process.env.AI_MAJOR].map((load) => load()));
const CITY = {
  type: "object",
  properties: { name: { type: "string" }, people: { type: "integer" } },
  required: ["name", "people"],
  additionalProperties: false,
};

function modelOf(name = MODEL) {
  const sluice = compatible.createOpenAICompatible({
    name: "sluice", baseURL: URL_OF_API, apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true,
  });
  return sluice.chatModel(name);
}

async function take(seen, result) {
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") seen.add(part.text);
    else if (part.type === "reasoning-delta") seen.reasoning += part.text;
    else if (part.type === "tool-call") seen.call(part.toolName, part.input);
    else if (part.type === "error") throw part.error;
    else if (part.type === "finish") {
      seen.finish = part.finishReason;
      seen.count(part.totalUsage.inputTokens, part.totalUsage.outputTokens);
    }
  }
}

// The SDK prints errors by default.
const quiet = { onError: () => {} };

async function stream(seen, { prompt, model, retries = 0 }) {
  await take(seen, ai.streamText({ model: modelOf(model), prompt, maxRetries: retries, ...quiet }));
}

async function whole(seen, { prompt, model, retries = 0 }) {
  const done = await ai.generateText({ model: modelOf(model), prompt, maxRetries: retries });
  seen.add(done.text);
  seen.reasoning = done.reasoningText ?? "";
  seen.finish = done.finishReason;
  seen.count(done.usage.inputTokens, done.usage.outputTokens);
}

async function tool(seen, { prompt }) {
  const weather = ai.tool({ description: "The weather of a city.", inputSchema: ai.jsonSchema(PARAMETERS) });
  await take(seen, ai.streamText({ model: modelOf(), prompt, tools: { weather }, ...quiet }));
}

async function toolLoop(seen, { prompt }) {
  const weather = ai.tool({
    description: "The weather of a city.",
    inputSchema: ai.jsonSchema(PARAMETERS),
    execute: ({ city }) => `rain in ${city}`,
  });
  await take(
    seen,
    ai.streamText({ model: modelOf(), prompt, tools: { weather }, stopWhen: ai.stepCountIs(3), ...quiet }),
  );
}

async function structured(seen, { prompt }) {
  const output = ai.Output.object({ schema: ai.jsonSchema(CITY) });
  // The fifth major has its first name for it.
  const name = process.env.AI_MAJOR === "5" ? "experimental_output" : "output";
  seen.value = (await ai.generateText({ model: modelOf(), prompt, [name]: output }))[name];
}

async function abort(seen, { prompt }) {
  const leaving = new AbortController();
  const result = ai.streamText({ model: modelOf(), prompt, abortSignal: leaving.signal, ...quiet });
  for await (const piece of result.textStream) {
    seen.add(piece);
    leaving.abort();
  }
}

await serve({ stream, whole, tool, tool_loop: toolLoop, structured, abort });
