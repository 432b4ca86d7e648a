// A page in jsdom with `useChat` of @ai-sdk/react, used by its buttons. AI_MAJOR chooses the releases of it and of `ai`.

import { JSDOM } from "jsdom";

const { window } = new JSDOM('<div id="root"></div>', { url: process.env.OPENAI_BASE_URL.replace(/\/v1$/, "/") });
for (const name of ["window", "document", "HTMLElement", "Node"]) globalThis[name] = window[name] ?? window;

const PACKAGES = {
  5: [() => import("ai-5"), () => import("ai-react-2")],
  6: [() => import("ai-6"), () => import("ai-react-3")],
  7: [() => import("ai"), () => import("@ai-sdk/react")],
};
const [{ DefaultChatTransport }, { useChat }] = await Promise.all(PACKAGES[process.env.AI_MAJOR].map((load) => load()));
const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { serve } = await import("./requests_on_stdin.mjs");

// What a browser does beside: it keeps cookies, and a page that is closed loses its connections.
const cookies = new Map();
let page = new AbortController();

async function fetchAsBrowser(path, { signal, headers, ...options }) {
  const response = await fetch(new URL(path, window.location.href), {
    ...options,
    headers: { ...headers, cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
    signal: signal ? AbortSignal.any([signal, page.signal]) : page.signal,
  });
  for (const line of response.headers.getSetCookie()) {
    const [name, value] = line.split(";")[0].split("=");
    cookies.set(name, value);
  }
  return response;
}

// As in docs/how-to/openai-clients.md.
function sentence(error) {
  try {
    return JSON.parse(error.message).error;
  } catch {
    return error.message;
  }
}

function Chat({ id, resume, messages, prompt, body, shown }) {
  const transport = new DefaultChatTransport({ api: "/api/ai-sdk", fetch: fetchAsBrowser, body });
  const chat = useChat({ id, resume, messages, transport });
  shown.messages = chat.messages;
  const last = chat.messages.at(-1);
  const parts = last?.role === "assistant" ? last.parts : [];
  const texts = (type) => parts.filter((part) => part.type === type).map((part) => part.text).join("");
  return createElement(
    "main",
    { "data-status": chat.status },
    createElement("p", { id: "text" }, texts("text")),
    createElement("p", { id: "reasoning" }, texts("reasoning")),
    createElement("p", { id: "error" }, chat.error ? sentence(chat.error) : ""),
    createElement("button", { id: "send", onClick: () => chat.sendMessage({ text: prompt }) }),
    createElement("button", { id: "stop", onClick: () => chat.stop() }),
  );
}

/** Opens a page; it says when something has changed. */
class Page {
  shown = { messages: [] };
  #root = createRoot(document.getElementById("root"));
  #waiting = [];
  #observer = new window.MutationObserver(() => this.#waiting.splice(0).forEach((wake) => wake()));

  constructor(properties) {
    this.#observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    this.#root.render(createElement(Chat, { ...properties, shown: this.shown }));
  }

  text(id) {
    return document.getElementById(id)?.textContent ?? "";
  }

  get status() {
    return document.querySelector("main")?.dataset.status;
  }

  /** Wait until something holds; with each change, show how far the text has grown. */
  async until(holds, seen) {
    let length = 0;
    for (;;) {
      const text = this.text("text");
      seen?.add(text.slice(length));
      length = Math.max(length, text.length);
      if (holds()) return;
      await new Promise((wake) => this.#waiting.push(wake));
    }
  }

  click(id) {
    document.getElementById(id).click();
  }

  close() {
    this.#observer.disconnect();
    this.#root.unmount();
    page.abort();
    page = new AbortController();
  }
}

function report(seen, open) {
  const last = open.shown.messages.at(-1);
  seen.reasoning = open.text("reasoning");
  seen.finish = last?.metadata?.finish_reason ?? null;
  const usage = last?.metadata?.usage;
  if (usage) seen.count(usage.prompt_tokens, usage.completion_tokens);
  for (const part of last?.parts ?? []) {
    if (part.type === "dynamic-tool" || part.type.startsWith("tool-")) {
      seen.call(part.toolName ?? part.type.slice(5), part.input);
    }
  }
  seen.value = {
    status: open.status,
    error: open.text("error"),
    messages: open.shown.messages.map(({ role }) => role),
    parts: (last?.parts ?? []).map(({ type }) => type),
    outputs: (last?.parts ?? []).filter((part) => "output" in part).map(({ output }) => output),
  };
}

/** Send messages, one behind the other's answer; `stops`: press Stop at the first piece of text. */
async function chat(seen, { prompts, stops = false }) {
  const properties = { id: crypto.randomUUID(), resume: false };
  const open = new Page({ ...properties, prompt: prompts[0] });
  try {
    await open.until(() => open.status === "ready");
    for (const [index] of prompts.entries()) {
      open.click("send");
      await open.until(() => open.shown.messages.length > 2 * index && open.status !== "ready");
      if (stops) {
        await open.until(() => open.text("text"), seen);
        open.click("stop");
      }
      await open.until(() => ["ready", "error"].includes(open.status), stops ? undefined : seen);
    }
    report(seen, open);
  } finally {
    open.close();
  }
}

/** Close the page at the first piece of text, and open it again, as an application does that kept the messages. */
async function resume(seen, { prompt }) {
  const properties = { id: crypto.randomUUID(), prompt, body: { on_disconnect: "continue" } };
  const first = new Page({ ...properties, resume: false });
  await first.until(() => first.status === "ready");
  first.click("send");
  await first.until(() => first.text("text"));
  const messages = first.shown.messages.slice(0, 1);
  first.close();
  const second = new Page({ ...properties, messages, resume: true });
  try {
    await second.until(() => second.text("text"), seen);
    await second.until(() => second.status === "ready");
    seen.pieces = [second.text("text")];
    report(seen, second);
  } finally {
    second.close();
  }
}

/** Open a page that resumes where nothing is to be resumed. */
async function resumeNothing(seen, { status: expected }) {
  let asked;
  const has = new Promise((resolve) => (asked = resolve));
  const open = new Page({ id: crypto.randomUUID(), resume: true, body: {}, prompt: "" });
  const plain = globalThis.fetch;
  globalThis.fetch = async (...given) => {
    const response = await plain(...given);
    asked(response.status);
    return response;
  };
  try {
    const status = await has;
    await open.until(() => open.status === expected);
    report(seen, open);
    seen.value.response = status;
  } finally {
    globalThis.fetch = plain;
    open.close();
  }
}

await serve({ chat, resume, resume_nothing: resumeNothing });
