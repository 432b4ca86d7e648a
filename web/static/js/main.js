/** Puts the page together. */

import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { DEFAULT_CONFIGURATION, fetchConfiguration } from "./configuration.js";
import { loadConversation } from "./conversation_store.js";
import { translate } from "./language.js";
import { loadLibraries } from "./libraries.js";
import { Markdown } from "./markdown.js";
import { Notices } from "./notices.js";
import { ReadingPosition } from "./reading_position.js";
import { Starters } from "./starters.js";
import { Transcript } from "./transcript.js";

/** @typedef {import("./configuration.js").Configuration} Configuration */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function part(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`The page has no ${type.name} #${id}.`);
  return element;
}

translate(document);

const conversation = loadConversation();
const empty = part("empty", HTMLElement);
const renew = part("renew", HTMLButtonElement);
const status = part("status", HTMLElement);
const notices = new Notices(part("notices", HTMLElement));
const position = new ReadingPosition(part("to-end", HTMLButtonElement));
const transcript = new Transcript(part("log", HTMLElement), {
  retry: (exchange) => {
    chat.retry(exchange);
    composer.focus();
  },
  grown: () => position.follow(),
});
const composer = new Composer(part("composer", HTMLFormElement), {
  send: (message) => chat.send(message),
  stop: () => chat.stop(),
});
const starters = new Starters(part("starters", HTMLElement), part("starters-label", HTMLElement), (prompt) => {
  composer.send(prompt);
  composer.focus();
});
const chat = new Chat(conversation, {
  asked: (exchange) => {
    showEmpty(false);
    transcript.add(exchange);
    position.goToEnd();
  },
  grown: (exchange) => transcript.grow(exchange),
  ended: (exchange) => {
    transcript.finish(exchange, { announce: true });
    position.follow();
  },
  cleared: () => {
    transcript.clear();
    showEmpty(true);
  },
  running: (running) => (composer.running = running),
  status: (text) => (status.textContent = text),
  notKept: () => notices.show("storageNotice", { urgent: true }),
});

for (const exchange of conversation.exchanges) {
  transcript.add(exchange);
  transcript.finish(exchange, { announce: false });
}
position.goToEnd();

renew.addEventListener("click", () => {
  chat.renew();
  composer.focus();
});
addEventListener("pagehide", () => chat.leave());

void loadLibraries().then((libraries) => {
  if (!libraries) return;
  transcript.useMarkdown(new Markdown(libraries));
  position.follow();
});
fetchConfiguration()
  .catch(() => {
    notices.show("configurationNotice", { urgent: true });
    return DEFAULT_CONFIGURATION;
  })
  .then(configure);

/** @param {Configuration} configuration */
function configure(configuration) {
  chat.configuration = configuration;
  starters.offer(configuration.starters);
  showEmpty(conversation.empty); // only now, so that nothing on it moves when the rest comes
  composer.limit(configuration.maxMessageChars);
  if (configuration.demo) notices.show("demoNotice");
  showModel(configuration);
  part("version", HTMLElement).textContent = configuration.version;
}

/** The model's name; where there are several, a choice. @param {Configuration} configuration */
function showModel({ models, model }) {
  const name = part("model-name", HTMLElement);
  const choice = part("model", HTMLSelectElement);
  name.textContent = model;
  name.hidden = model === "" || models.length > 1;
  choice.hidden = models.length < 2;
  choice.replaceChildren(...models.map((each) => new Option(each, each, each === model, each === model)));
  choice.addEventListener("change", () => (chat.model = choice.value));
}

/** @param {boolean} shown */
function showEmpty(shown) {
  empty.hidden = !shown;
  renew.hidden = shown;
}
