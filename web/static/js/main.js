/** Creates the parts of the page and connects them. */

import "./settings/appearance.js";
import { conversationInAddress, rememberAddress, replaceAddress, restoreAddress } from "./browser/address.js";
import { coarsePointer, isAlone, isOwnPage, isSynced, root, scroller, userKey } from "./browser/page_root.js";
import { COPY_ENDED, COPY_FAILED, PART_MISSING } from "./ui/button.js";
import { Chat } from "./chat/chat.js";
import { Composer, COMPOSER_KEYS } from "./composer/composer.js";
import { Dialogs } from "./dialogs/dialogs.js";
import { DEFAULT_CONFIGURATION, fetchConfiguration } from "./api/configuration.js";
import { LIST_KEYS } from "./sidebar/conversation_list.js";
import { ConversationPanel } from "./sidebar/conversation_panel.js";
import { ConversationStore } from "./storage/conversation_store.js";
import { ConversationActions } from "./chat/conversation_actions.js";
import { Database } from "./storage/database.js";
import { DatabaseConnection } from "./storage/database_connection.js";
import { onLanguageChange, setText, texts } from "./i18n/language.js";
import { loadIdb, loadStyles } from "./browser/libraries.js";
import { requireElement } from "./browser/elements.js";
import { firstInteraction, loadMarkdown } from "./markdown/markdown_loader.js";
import { ModelChoice } from "./composer/model_choice.js";
import { ConnectionNotice, Notices } from "./ui/notices.js";
import { PartLoader } from "./ui/part_loader.js";
import { PromptHistory } from "./composer/prompt_history.js";
import { ReadingPosition } from "./transcript/reading_position.js";
import { settings } from "./settings/settings.js";
import { Shortcuts } from "./ui/shortcuts.js";
import { Sidebar } from "./sidebar/sidebar.js";
import { Starters } from "./composer/starters.js";
import { Transcript } from "./transcript/transcript.js";
import { Undo, UNDO_KEYS } from "./ui/undo.js";

/** @typedef {import("./api/configuration.js").Configuration} Configuration */

/** @type {Record<import("./storage/storage_error.js").StorageErrorReason, import("./i18n/language.js").TextKey>} */
const STORAGE_NOTICES = {
  missing: "storageMissing",
  unavailable: "storageUnavailable",
  full: "storageFull",
  newer: "storageNewer",
  older: "storageOlder",
  waiting: "storageWaiting",
  failed: "storageFailed",
};

/** @type {import("./composer/composer.js").FileProblem[]} */
const FILE_PROBLEMS = ["fileNotText", "fileNotTextOrImage", "fileTooLarge", "imageUnreadable", "imagesTooMany", "imagesNotKept", "partNotLoaded"];

/** Notices of what has happened, which the next question makes old. @type {import("./i18n/language.js").TextKey[]} */
const PAST_NOTICES = ["conversationMissing", "deletedElsewhere", "copyFailed"];

const pageTitle = document.title;
let isConfigured = false; // the configuration has loaded, or the defaults are used
let isOpened = false; // the store is open, or could not be opened
let shownId = "";
let awaitedElsewhere = 0; // conversations that are not shown, with a tool that waits for a permission
/** A result of the search that is shown when its conversation has been read. @type {{ conversation: string, hit: import("./storage/search_query.js").SearchHit } | null} */
let wantedHit = null;
/** Removes the marks of a search in the text, once there may be some. @type {(() => void) | null} */
let clearHit = null;

restoreAddress();
const startScreen = requireElement("empty", HTMLElement);
const tuningButton = requireElement("open-tuning", HTMLButtonElement);
const status = requireElement("status", HTMLElement);
const notices = new Notices(requireElement("alerts", HTMLElement));
const parts = new PartLoader(notices);
const offer = requireElement("undo", HTMLElement);
const undo = new Undo(offer, announce, () => sidebar.takeFocus() || composer.focusAfterAction());
const position = new ReadingPosition(requireElement("to-end", HTMLButtonElement));
const transcript = new Transcript(requireElement("log", HTMLElement), {
  regenerate: (exchange) => thenFocusComposer(() => chat.regenerate(exchange)),
  resume: (exchange) => thenFocusComposer(() => chat.resume(exchange)),
  edit: (exchange, question) => {
    const asked = chat.edit(exchange, question);
    if (asked) composer.focusAfterAction();
    return asked;
  },
  decide: (exchange, call, isAllowed) => chat.answers.decide(chat.conversation, exchange, call, isAllowed),
  consentAsked: (name) => announce(texts.consentAsked(name)),
  editCancelled: (exchange, question) => {
    const { id } = chat.conversation;
    undo.offer("editCancelled", () => {
      transcript.reopenEditor(exchange, question);
      if (chat.conversation.id !== id) conversations.open(id); // there is the editor
    });
  },
  show: (exchange) => thenFocusComposer(() => chat.choose(exchange)),
  delete: (exchange) => thenFocusComposer(() => conversations.deleteExchange(exchange)),
  choose: (exchange, choice) => {
    const { top } = choice.button.getBoundingClientRect();
    chat.choose(exchange);
    const shown = transcript.focusSwitch(exchange, choice);
    if (!shown) return;
    // keeps the button under the pointer, for several clicks in a row
    position.scrollBy(shown.button.getBoundingClientRect().top - top);
    announce(shown.sentence);
  },
  startFromHere: ({ question }) => {
    const { tuning } = chat;
    conversations.startNew();
    chat.tune({ systemPrompt: undefined, temperature: undefined, ...tuning }); // and not what was chosen for another one
    updateTuning();
    composer.prepend(question);
    composer.focusAfterAction();
  },
  remedies: () => ({
    hasModelChoice: chat.configuration.models.length > 1,
    hasTemperature: chat.tuning.temperature !== undefined,
  }),
  changeTemperature: () => void dialogs.openTuning(),
  chooseModel: () => modelChoice.open(),
  reload: () => {
    rememberAddress();
    location.reload(); // the application then redirects to its sign-in, with the way back
  },
  draftSaved: showDraftState,
  retryReady: () => announce(texts.retryReady),
  grown: () => position.follow(),
  expanded: () => position.recheckEnd(),
});
const prompts = new PromptHistory(() => chat.conversation.path.map(({ question }) => question));
const composer = new Composer(requireElement("composer", HTMLFormElement), prompts, {
  send: (message, conversation, images) => chat.send(message, conversation, images),
  stop: () => chat.stop(),
  tooEarly: announce,
  draftSaved: showDraftState,
  imagesAdded: (names) => announce(texts.imagesAdded(names)),
  filesRead: (problem) => {
    hideFileProblems(); // shown again, it is announced again
    if (problem) notices.show(problem, { isUrgent: problem === "partNotLoaded" });
  },
});
const starters = new Starters(requireElement("start", HTMLElement), (prompt) => {
  composer.send(prompt);
  composer.focusAfterAction();
});
const store = new ConversationStore({
  failed: (reason) => showStorageNotice(STORAGE_NOTICES[reason]),
  saved: () => showStorageNotice(null),
  listChanged: () => updateList(),
  changedElsewhere: (id) => void chat.refresh(id),
  deletedElsewhere: (id) => conversations.deletedElsewhere(id),
  changedHere: (id, change) => void syncing?.then((sync) => sync?.mark(id, change)),
});
const chat = new Chat(store, {
  shown: (conversation) => {
    updateStartScreen();
    updateTuning();
    transcript.show(conversation);
    composer.open(conversation);
    const isAnother = conversation.id !== shownId;
    shownId = conversation.id;
    if (chat.isAtStart) position.goToStart();
    else if (isAnother) position.goToEnd();
    else position.follow();
    updateList();
    if (isAnother) {
      sidebar.closeDrawer();
      hideFileProblems();
    }
    showWantedHit();
  },
  readingEnded: (conversation) => composer.afterReading(conversation),
  missing: (replacement) => {
    notices.show("conversationMissing");
    replaceAddress(null);
    composer.moveText(replacement);
  },
  asked: () => {
    undo.dismiss();
    hideFileProblems();
    for (const key of PAST_NOTICES) notices.hide(key);
    replaceAddress(chat.conversation.id);
    position.goToEnd();
  },
  grown: (exchange) => {
    transcript.grow(exchange);
    composer.awaited = chat.isAwaitingDecision;
  },
  ended: (exchange) => {
    transcript.finish(exchange, { announce: true });
    position.follow();
  },
  reconnecting: (exchange, isReconnecting) => {
    transcript.showConnection(exchange, isReconnecting);
    position.follow();
  },
  running: (running) => {
    composer.running = running;
    composer.awaited = chat.isAwaitingDecision;
    transcript.running = running;
    updateList();
  },
  marked: updateList,
  endedElsewhere: (id) => announce(texts.endedElsewhere(store.record(id)?.title || texts.untitled)),
  status: announce,
  draftNotSaved: () => showDraftState(false),
});
const syncing = isSynced ? startSync() : null;
const conversations = new ConversationActions(store, chat, notices, undo);
const sidebarElement = requireElement("sidebar", HTMLElement);
const panel = new ConversationPanel(sidebarElement, { chat, store, conversations, useFiles }, announce, (conversation, hit) => {
  wantedHit = hit && { conversation, hit };
  sidebar.closeDrawer(); // also over the conversation that is shown already
  showWantedHit();
}, () => clearHit?.());
const sidebar = new Sidebar(sidebarElement, requireElement("toggle-sidebar", HTMLButtonElement), [
  requireElement("skip", HTMLElement),
  requireElement("bar", HTMLElement),
  requireElement("main", HTMLElement),
  requireElement("dock", HTMLElement),
], offer);

const markdown = (conversationInAddress() ? loadMarkdown() : firstInteraction().then(loadMarkdown)).then((loaded) => {
  if (!loaded) return;
  transcript.useMarkdown(loaded);
  position.follow();
});
conversations.start(); // at once: what the reader does next must reach the conversation in the address
// its exchanges are read after Markdown has loaded: replacing plain text would shift the layout
void Promise.all([loadIdb(), conversationInAddress() && markdown])
  .then(([idb]) => conversations.openStore(idb && new Database(new DatabaseConnection(idb, () => void conversations.reopenStore()))))
  .finally(() => {
    isOpened = true; // also after an error, so that the page can be used
    updateStartScreen();
  });

const modelChoice = new ModelChoice(requireElement("model-name", HTMLElement), requireElement("model", HTMLSelectElement), settings);
settings.onChange(applySettings);
onLanguageChange(() => {
  transcript.translate();
  updateList();
});

/** @satisfies {Record<string, import("./ui/shortcuts.js").Shortcut>} */
const KEYS = {
  stop: { text: "stopAnswer", key: "Escape", button: ".running .send", run: () => composer.cancel() || (chat.running && chat.stop()) },
  toComposer: { text: "toComposer", key: "Escape", shift: true, run: goToComposer },
  copy: { text: "copyLast", key: "c", chord: true, button: ".exchange:last-child .copy-answer", run: () => transcript.copyLast() },
  start: { text: "newConversation", key: "o", chord: true, button: ".new", run: startConversation },
  search: { text: "searchLabel", key: "k", chord: true, run: openSearch },
  undo: { ...UNDO_KEYS, text: "undoLast", button: ".undo-button", run: () => undo.undo() },
  sidebar: { text: "toggleSidebar", key: "s", chord: true, button: ".toggle-sidebar", run: () => sidebar.toggle() },
  list: { text: "showShortcuts", key: "/", chord: true, overDialogs: true, run: () => void dialogs.toggleShortcuts() },
};
const dialogs = new Dialogs({
  chat,
  settings,
  parts,
  useFiles,
  announce,
  tuned: updateTuning,
  shortcuts: [
    { heading: "messageLabel", keys: [...COMPOSER_KEYS, KEYS.toComposer] },
    { heading: "answer", keys: [KEYS.stop, KEYS.copy] },
    { heading: "conversations", keys: [KEYS.start, KEYS.search, KEYS.sidebar] },
    { heading: "inTheList", keys: LIST_KEYS },
    { heading: "thisPage", keys: [{ text: "nextControl", key: "Tab" }, KEYS.undo, KEYS.list] },
  ],
});
requireElement("open-settings", HTMLButtonElement).addEventListener("click", () => void dialogs.openSettings());
tuningButton.addEventListener("click", () => void dialogs.openTuning());
requireElement("open-shortcuts", HTMLButtonElement).addEventListener("click", () => void dialogs.toggleShortcuts());
/** @type {import("./ui/shortcuts.js").Shortcut[]} */
const shortcuts = Object.values(KEYS);
new Shortcuts(shortcuts);
const ofButtons = shortcuts.flatMap((key) => (key.button ? [{ button: key.button, key }] : []));
void firstInteraction()
  .then(() => Promise.all([import("./ui/tooltips.js"), loadStyles("css/dialog.css"), import("./ui/menu.js"), import("./transcript/details_view.js")]))
  .then(([{ Tooltips }]) => new Tooltips([...ofButtons, { button: ".send", key: { key: "Enter" } }]))
  .catch(() => undefined); // offline, or after a deploy: the buttons keep their names, and only the tooltips are missing
void firstInteraction()
  .then(() => import("./ui/focus_keeper.js"))
  .then(({ FocusKeeper }) => new FocusKeeper(() => sidebar.takeFocus() || composer.focusAfterAction()))
  .catch(() => undefined); // offline, or after a deploy: the focus is lost with the control that had it
void firstInteraction()
  .then(() => Promise.all([import("./api/kept_answer.js"), import("./chat/history_limits.js")]))
  .catch(() => undefined); // then a question loads it, or does without
// a notice, an undo offer or a longer draft must cover neither the end of the answer nor what has the focus
const dock = requireElement("dock", HTMLElement);
new ResizeObserver(() => {
  scroller.style.setProperty("--dock", `${dock.offsetHeight}px`);
  position.follow();
}).observe(dock);
new ConnectionNotice(notices, (key) => announce(texts[key]));

for (const id of ["new-conversation", "new-in-bar"]) requireElement(id, HTMLButtonElement).addEventListener("click", startConversation);
document.addEventListener(PART_MISSING, () => notices.show("partNotLoaded"));
document.addEventListener(COPY_ENDED, (event) => {
  notices.hide("copyFailed");
  announce(/** @type {HTMLElement} */ (event.target).textContent ?? "");
});
document.addEventListener(COPY_FAILED, () => {
  notices.hide("copyFailed"); // shown again, it is announced again
  notices.show("copyFailed");
});
requireElement("skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault(); // the address must stay that of the conversation
  composer.focus();
});
addEventListener("pagehide", () => {
  chat.answers.leave();
  store.prepareForUnload();
});

if (userKey) void import("./browser/user_watch.js");
void firstInteraction()
  .then(() => Promise.all([import("./transcript/copied_content.js"), import("./transcript/printed_code.js"), import("./transcript/tab_stops.js")]))
  .then(([{ watchCopying }, { watchPrinting }, { watchTab }]) => {
    for (const watch of [watchCopying, watchPrinting, watchTab]) watch(requireElement("log", HTMLElement));
  })
  .catch(() => {}); // offline: the browser copies and prints as it does by itself, and Tab stops at each box
if (coarsePointer.matches) {
  void import("./ui/on_screen_keyboard.js").then(({ watchKeyboard }) => watchKeyboard());
  void import("./ui/system_back.js").then(({ watchBack }) => watchBack(() => sidebar.closeDrawer()));
  if (isAlone) void import("./ui/turned_screen.js").then(({ keepPlace }) => keepPlace(requireElement("bar", HTMLElement), (top) => position.scrollBy(top)));
}

fetchConfiguration()
  .catch(() => {
    notices.show("configurationNotice");
    return DEFAULT_CONFIGURATION;
  })
  .then(configure);

/** @param {Configuration} configuration */
function configure(configuration) {
  chat.configure(configuration);
  starters.setStarters(configuration.starters);
  isConfigured = true;
  updateStartScreen();
  composer.limit(configuration.maxMessageChars, configuration.maxBodyBytes);
  if (configuration.allowsImages) void allowImages();
  dialogs.configure(configuration);
  modelChoice.configure(configuration);
  updateTuning();
  applySettings();
  transcript.translate(); // a failure that was shown before may have another remedy
}

/** Offers to send images, and deletes those that belonged to deleted conversations. */
async function allowImages() {
  await composer.allowImages();
  await firstInteraction();
  const part = await import("./storage/image_store.js").catch(() => null); // then a later page deletes them
  await part?.deleteUnused(() => store.findImages());
}

/** Shows whether the conversation has a system prompt or a temperature of its own. */
function updateTuning() {
  const { allowsSystemPrompt, allowsTemperature } = chat.configuration;
  const isTuned = Object.keys(chat.tuning).length > 0;
  tuningButton.hidden = !allowsSystemPrompt && !allowsTemperature;
  tuningButton.disabled = chat.conversation.contents === "reading";
  tuningButton.classList.toggle("tuned", isTuned);
  setText(/** @type {HTMLElement} */ (tuningButton.querySelector(".label")), isTuned ? "tuned" : "tune");
}

/**
 * Loads export and import, and uses them.
 * @param {(files: import("./files/conversation_files.js").ConversationFiles) => Promise<void>} work
 * @returns {Promise<boolean>} false if they could not be loaded, which is shown
 */
async function useFiles(work) {
  const loaded = await parts.load(() => import("./files/conversation_files.js"));
  if (loaded) await work(new loaded.ConversationFiles(store));
  return loaded !== null;
}

/** @returns {Promise<import("./sync/server_sync.js").ServerSync | null>} null if it could not be loaded */
async function startSync() {
  try {
    const { ServerSync } = await import("./sync/server_sync.js");
    return new ServerSync(store, {
      isUnnamed: (id) => chat.answers.isUnnamed(id),
      changed: (id) => void chat.refresh(id),
      deleted: (id) => conversations.deletedElsewhere(id),
    });
  } catch {
    return null; // offline, or after a deploy: the next page sends what has changed
  }
}

/** Applies the settings to the next questions. */
function applySettings() {
  const { models, mode } = chat.configuration;
  chat.mode = settings.values.mode || mode;
  chat.model = models.includes(settings.values.model) ? settings.values.model : "";
}

/** Shows what is wrong with the storage now. @param {import("./i18n/language.js").TextKey | null} current */
function showStorageNotice(current) {
  for (const key of Object.values(STORAGE_NOTICES)) if (key !== current) notices.hide(key);
  if (current) notices.show(current);
}

function showWantedHit() {
  const { conversation } = chat;
  if (wantedHit?.conversation !== conversation.id || conversation.contents !== "read") return;
  const { exchange, words } = wantedHit.hit;
  wantedHit = null;
  chat.reveal(exchange);
  const element = transcript.elementOf(exchange);
  if (!element) return; // deleted since the search
  const isWanted = () => chat.conversation === conversation && element.isConnected && !chat.running;
  void parts.load(() => import("./transcript/search_hit.js")).then((part) => {
    if (!part) return;
    clearHit = part.clearHit;
    void part.showHit(requireElement("log", HTMLElement), element, words, isWanted);
  });
}

function hideFileProblems() {
  for (const each of FILE_PROBLEMS) notices.hide(each);
}

/** @param {boolean} isSaved */
function showDraftState(isSaved) {
  if (isSaved) notices.hide("draftNotSaved");
  else notices.show("draftNotSaved");
}

function goToComposer() {
  sidebar.closeDrawer(); // an open drawer keeps the focus
  composer.focus();
}

function startConversation() {
  thenFocusComposer(() => conversations.startNew());
}

function openSearch() {
  sidebar.open();
  panel.focusSearch();
}

/** Runs an action, then focuses the message box, because the pressed button may be gone. @param {() => void} action */
function thenFocusComposer(action) {
  action();
  composer.focusAfterAction();
}

/** Announces a text to screen readers. @param {string} text */
function announce(text) {
  status.textContent = text;
}

/** @param {string} id of a conversation */
function isElsewhere(id) {
  return id !== chat.conversation.id;
}

function openAwaited() {
  const id = chat.answers.awaiting.find(isElsewhere);
  if (id) thenFocusComposer(() => conversations.open(id));
}

/** @param {number} count */
function showAwaitedElsewhere(count) {
  if (count === 0 || count > awaitedElsewhere) notices.hide("awaitedElsewhere"); // shown again, it is announced again
  if (count > awaitedElsewhere) notices.show("awaitedElsewhere", { isUrgent: false, open: openAwaited });
  awaitedElsewhere = count;
}

/** Updates the list, the document's title and the first heading. */
function updateList() {
  panel.show();
  const title = store.record(chat.conversation.id)?.title;
  const { awaiting } = chat.answers;
  if (isOwnPage) document.title = [awaiting.length > 0 && texts.awaiting, title, pageTitle].filter(Boolean).join(" · ");
  showAwaitedElsewhere(awaiting.filter(isElsewhere).length);
  const heading = requireElement("title", HTMLElement);
  heading.hidden = chat.isAtStart;
  heading.textContent = title || texts.untitled;
}

/** Shows the start screen when all of its content is known, so that nothing shifts later. */
function updateStartScreen() {
  root.classList.toggle("at-start", chat.isAtStart);
  startScreen.hidden = starters.hidden = !(isConfigured && isOpened && chat.isAtStart);
}
