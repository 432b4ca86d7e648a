/** Creates the parts of the page and connects them. */

import "./settings/appearance.js";
import { conversationInAddress, reloadHere, replaceAddress, restoreAddress } from "./browser/address.js";
import { coarsePointer, isOwnPage, isSynced, userKey } from "./browser/page_root.js";
import { Chat } from "./chat/chat.js";
import { Composer, COMPOSER_KEYS, FILE_PROBLEMS } from "./composer/composer.js";
import { Dialogs } from "./dialogs/dialogs.js";
import { DEFAULT_CONFIGURATION, fetchConfiguration } from "./api/configuration.js";
import { LIST_KEYS } from "./sidebar/conversation_list.js";
import { ConversationPanel } from "./sidebar/conversation_panel.js";
import { ConversationStore } from "./storage/conversation_store.js";
import { ConversationActions } from "./chat/conversation_actions.js";
import { Database } from "./storage/database.js";
import { DatabaseConnection } from "./storage/database_connection.js";
import { onLanguageChange, texts } from "./i18n/language.js";
import { loadIdb } from "./browser/libraries.js";
import { requireElement } from "./browser/elements.js";
import { loadMarkdown } from "./markdown/markdown_loader.js";
import { ModelChoice } from "./composer/model_choice.js";
import { ConnectionNotice, CopyNotice, Notices } from "./ui/notices.js";
import { firstInteraction, loadPersistently, PartLoader } from "./ui/part_loader.js";
import { ReadingPosition } from "./transcript/reading_position.js";
import { holdImages } from "./storage/image_hold.js";
import { hasRefusedImages, onRefusedImages, storeRefused } from "./storage/refused_images.js";
import { settings } from "./settings/settings.js";
import { Shortcuts } from "./ui/shortcuts.js";
import { Sidebar } from "./sidebar/sidebar.js";
import { StartScreen } from "./composer/start_screen.js";
import { StorageNotices } from "./chat/storage_notices.js";
import { Transcript } from "./transcript/transcript.js";
import { Undo, UNDO_KEYS } from "./ui/undo.js";
import { WantedHit } from "./transcript/wanted_hit.js";

/** @typedef {import("./api/configuration.js").Configuration} Configuration */

/** Notices of what has happened, which the next question makes old. @type {import("./i18n/language.js").TextKey[]} */
const PAST_NOTICES = ["conversationMissing", "deletedElsewhere", "editMoved", "copyFailed"];

const pageTitle = document.title;
let shownId = "";

restoreAddress();
const status = requireElement("status", HTMLElement);
const log = requireElement("log", HTMLElement);
const dock = requireElement("dock", HTMLElement);
const notices = new Notices(requireElement("alerts", HTMLElement));
const storageNotices = new StorageNotices(
  notices,
  (id) => store.isUnsaved(id),
  (id) => thenFocusComposer(() => conversations.open(id)),
);
const parts = new PartLoader(notices);
const offer = requireElement("undo", HTMLElement);
const undo = new Undo(offer, announce, takeFocus);
const position = new ReadingPosition(requireElement("to-end", HTMLButtonElement), log, dock);
const transcript = new Transcript(log, {
  regenerate: (exchange) => thenFocusAnswer(exchange, () => chat.regenerate(exchange, transcript.isEdited(exchange))),
  resume: (exchange) => thenFocusAnswer(exchange, () => chat.resume(exchange)),
  edit: (exchange, question) => {
    const asked = chat.edit(exchange, question);
    if (asked) composer.focusAfterAction();
    return asked;
  },
  decide: (exchange, call, isAllowed) => chat.answers.decide(chat.conversation, exchange, call, isAllowed),
  consentAsked: (name) => announce(texts.consentAsked(name)),
  editCancelled: (exchange, question) =>
    conversations.offerEdit("editCancelled", exchange, question, (edited) => transcript.reopenEditor(exchange, edited)),
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
  askInNew: ({ question, images }) => thenFocusComposer(() => {
    const { tuning } = chat;
    conversations.startNew();
    chat.retune(tuning); // and not what was chosen for another one
    dialogs.showTuning();
    composer.prepend(question, images);
  }),
  remedies: () => ({
    hasModelChoice: chat.configuration.models.length > 1,
    hasTemperature: chat.tuning.temperature !== undefined,
  }),
  changeTemperature: () => void dialogs.openTuning(),
  chooseModel: () => modelChoice.open(),
  reload: reloadHere,
  draftSaved: (isSaved) => notices.toggle("draftNotSaved", !isSaved),
  retryReady: () => announce(texts.retryReady),
  grown: () => position.follow(),
  expanded: () => position.recheckEnd(),
});
const prompts = () => chat.conversation.path.map(({ question }) => question);
const composer = new Composer(requireElement("composer", HTMLFormElement), prompts, {
  send: (message, conversation, images) => chat.send(message, conversation, images),
  stop: () => chat.stop(),
  tooEarly: announce,
  draftSaved: (isSaved) => notices.toggle("draftNotSaved", !isSaved),
  filesAdded: (names) => announce(texts.filesAdded(names)),
  filesRead: (problem, fill, of) => {
    notices.hide(...FILE_PROBLEMS); // shown again, it is announced again
    if (problem) notices.show(problem, { isUrgent: problem.startsWith("part"), fill, of });
  },
});
const startScreen = new StartScreen(requireElement("empty", HTMLElement), requireElement("start", HTMLElement), (prompt) => {
  thenFocusComposer(() => composer.send(prompt));
});
const store = new ConversationStore({
  failed: (reason, ids) => {
    storageNotices.failed(reason, ids);
    holdImages(); // of a question that may not be stored
  },
  saved: () => {
    storageNotices.saved();
    void storeRefused();
  },
  read: (id) => storageNotices.read(id),
  forgotten: (id) => storageNotices.forget(id),
  listChanged: () => updateList(),
  changedElsewhere,
  deletedElsewhere: (id) => conversations.deletedElsewhere(id),
  changedHere: (id, change) => {
    if (change === "content") panel.searchLater();
    void syncing?.then((sync) => sync.mark(id, change));
  },
});
const chat = new Chat(store, {
  shown: (conversation) => {
    notices.showOf(conversation.id);
    storageNotices.showOf(conversation.id);
    startScreen.show(chat.isAtStart);
    dialogs.showTuning();
    transcript.show(conversation);
    composer.open(conversation);
    showRun();
    const isAnother = conversation.id !== shownId;
    shownId = conversation.id;
    if (chat.isAtStart) position.goToStart();
    else if (isAnother) position.goToEnd();
    else position.follow();
    updateList();
    if (isAnother) sidebar.closeDrawer();
    void wantedHit.show(conversation);
  },
  readingEnded: (conversation) => composer.afterReading(conversation),
  missing: (replacement) => {
    notices.show("conversationMissing", { of: replacement.id });
    replaceAddress(null);
    composer.moveDraft(replacement);
  },
  merged: async ({ id, exchanges }) => {
    const part = await import("./chat/moved_edits.js").catch(() => null); // offline, or after a deploy: they stay stored
    if (part?.moveEdits(exchanges, transcript.unsentEdits, (texts) => composer.append(texts))) notices.show("editMoved", { of: id });
  },
  asked: (exchange) => {
    undo.age();
    notices.hide(...FILE_PROBLEMS, ...PAST_NOTICES);
    replaceAddress(chat.conversation.id);
    if (!chat.conversation.hasLaterMessages(exchange)) position.goToEnd();
  },
  grown: (exchange) => {
    transcript.grow(exchange);
    showRun();
  },
  ended: (exchange) => {
    transcript.finish(exchange, { announce: true });
    position.finish();
  },
  connectionChanged: (exchange, obstacle) => {
    transcript.showConnection(exchange, obstacle);
    position.follow();
  },
  running: (running) => {
    composer.running = running;
    showRun();
    transcript.running = running;
    updateList();
  },
  marked: updateList,
  endedElsewhere: (id) => announce(texts.endedElsewhere(store.record(id)?.title || texts.untitled)),
  status: announce,
  draftNotSaved: () => notices.show("draftNotSaved"),
});
const syncEvents = {
  isUnnamed: (/** @type {string} */ id) => chat.answers.isUnnamed(id),
  changed: changedElsewhere,
  deleted: (/** @type {string} */ id) => conversations.deletedElsewhere(id),
};
const syncing = isSynced
  ? loadPersistently(() => import("./sync/server_sync.js")).then(({ ServerSync }) => new ServerSync(store, syncEvents))
  : null;
/** Loads export and import, and uses them. @type {import("./dialogs/archive_controls.js").UseFiles} */
const useFiles = (work) =>
  parts.use(() => import("./files/conversation_files.js"), ({ ConversationFiles }) => work(new ConversationFiles(store, notices)));
const conversations = new ConversationActions(store, chat, notices, undo, {
  save: () => composer.flush(),
  move: (replacement) => composer.moveDraft(replacement, transcript.unsentEdits.map(([, text]) => text)),
}, leaveSidebar);
/** The notice of permissions, once there is one. @type {Promise<import("./chat/awaited_permissions.js").AwaitedPermissions | null> | null} */
let awaitedPermissions = null;
const wantedHit = new WantedHit(log, parts, {
  reveal: (exchange) => {
    chat.reveal(exchange);
    return transcript.renderNext(exchange);
  },
  scrollTo: (element, block) => position.show(element, block),
  scrollBy: (top) => position.scrollBy(top),
  isCurrent: (conversation) => chat.conversation === conversation,
});
const sidebarElement = requireElement("sidebar", HTMLElement);
const panel = new ConversationPanel(sidebarElement, { chat, store, conversations, parts, useFiles }, announce, (conversation, hit, byMouse) => {
  wantedHit.want(conversation, hit);
  sidebar.closeDrawer(); // also over the conversation that is shown already
  if (byMouse) composer.focusAfterAction();
  void wantedHit.show(chat.conversation);
}, () => wantedHit.clear(), leaveSidebar);
const sidebar = new Sidebar(sidebarElement, requireElement("toggle-sidebar", HTMLButtonElement), [
  requireElement("skip", HTMLElement),
  requireElement("bar", HTMLElement),
  requireElement("main", HTMLElement),
  dock,
], offer, () => panel.regroup());

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
  conversations,
  settings,
  parts,
  useFiles,
  notices,
  announce,
  shortcuts: [
    { heading: "messageLabel", keys: [...COMPOSER_KEYS, KEYS.toComposer] },
    { heading: "answer", keys: [KEYS.stop, KEYS.copy] },
    { heading: "conversations", keys: [KEYS.start, KEYS.search, KEYS.sidebar] },
    { heading: "inTheList", keys: LIST_KEYS },
    { heading: "thisPage", keys: [{ text: "nextControl", key: "Tab" }, KEYS.undo, KEYS.list] },
  ],
});

const contentNeeded = conversationInAddress() ? Promise.resolve() : firstInteraction();
/** Fulfilled when Markdown is there, or could not be loaded at once. */
const markdown = new Promise((tried) => {
  void contentNeeded
    .then(() => loadPersistently(loadMarkdown, () => tried(undefined)))
    .then((loaded) => {
      transcript.useMarkdown(loaded);
      position.follow();
    })
    .then(tried, () => undefined); // answers stay plain text
});
conversations.start(); // at once: what the reader does next must reach the conversation in the address
// its exchanges are read after Markdown has loaded: replacing plain text would shift the layout
const drawable = conversationInAddress() ? markdown : null;
void loadPersistently(loadIdb, () => void openStore(null)).then((idb) =>
  openStore(new Database(new DatabaseConnection(idb, () => void conversations.reopenStore()))));

const modelChoice = new ModelChoice(requireElement("model-name", HTMLElement), requireElement("model", HTMLSelectElement), settings);
settings.onChange(applySettings);
onLanguageChange(() => {
  transcript.translate();
  updateList();
});

const { ofButtons } = new Shortcuts(Object.values(KEYS));
const keys = [...ofButtons, { button: ".send", key: { key: "Enter" } }];
void contentNeeded
  .then(() => loadPersistently(() => import("./interaction.js"), () => void parts.renew(mayReload)))
  .then(({ addRest }) => addRest({ bar: requireElement("bar", HTMLElement), log, dock, position, store, keys, takeFocus }))
  .catch(() => undefined); // a defect: the page is used without the rest
new ConnectionNotice(notices, (key) => announce(texts[key]));
new CopyNotice(notices, announce);
onRefusedImages(() => notices.toggle("imagesNotKept", hasRefusedImages()));

for (const id of ["new-conversation", "new-in-bar"]) requireElement(id, HTMLButtonElement).addEventListener("click", startConversation);
requireElement("skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault(); // the address must stay that of the conversation
  composer.focus();
});
addEventListener("pagehide", () => {
  chat.answers.leave();
  store.prepareForUnload();
});

if (userKey) void loadPersistently(() => import("./browser/user_watch.js"));
if (coarsePointer.matches) {
  void loadPersistently(() => import("./ui/on_screen_keyboard.js")).then(({ watchKeyboard }) => watchKeyboard());
  void loadPersistently(() => import("./ui/system_back.js")).then(({ watchBack }) => watchBack(() => sidebar.closeDrawer()));
}

fetchConfiguration()
  .catch(() => {
    notices.show("configurationNotice");
    return DEFAULT_CONFIGURATION;
  })
  .then(configure);

/** @param {Database | null} database null if its library could not be loaded at once */
async function openStore(database) {
  try {
    await drawable;
    await conversations.openStore(database);
  } finally {
    startScreen.know("conversations"); // also after an error, so that the page can be used
  }
}

/** @param {Configuration} configuration */
function configure(configuration) {
  chat.configure(configuration);
  startScreen.setStarters(configuration.starters);
  startScreen.know("configuration");
  composer.limit(configuration.maxMessageChars, configuration.maxBodyBytes);
  if (configuration.allowsImages) {
    void composer.allowImages();
    parts.loadLater(() => import("./storage/image_store.js"), ({ deleteUnused }) => deleteUnused(() => store.findImages()));
  } else composer.offerFiles();
  dialogs.configure(configuration);
  modelChoice.configure(configuration);
  applySettings();
  transcript.translate(); // a failure that was shown before may have another remedy
}

/** Applies the settings to the next questions. */
function applySettings() {
  const { models, mode } = chat.configuration;
  chat.mode = settings.values.mode || mode;
  chat.model = models.includes(settings.values.model) ? settings.values.model : "";
}

/** @param {string} id of a conversation that another tab or device has changed */
function changedElsewhere(id) {
  conversations.changedElsewhere(id);
  void chat.refresh(id);
}

/** Says at the message box what a running answer waits for, and whether it is in view. */
function showRun() {
  const awaiting = chat.awaitingDecision;
  const exchanges = awaiting.length > 0 ? awaiting : chat.answers.runningHere(chat.conversation.id);
  composer.showRun({ isAwaited: awaiting.length > 0, isHidden: !exchanges.some((each) => transcript.shows(each)) });
}

/** Whether nothing is lost, and nobody disturbed, when the page is loaded again. */
function mayReload() {
  return isOwnPage && !composer.hasDraft && !hasRefusedImages() && store.isSaved && !chat.running;
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

/**
 * Runs an action that requests an answer. The focus stays in one that grows above later messages, where the reader is.
 * @param {import("./conversation/exchange.js").Exchange} exchange
 * @param {() => void} action
 */
function thenFocusAnswer(exchange, action) {
  action();
  if (chat.conversation.hasLaterMessages(exchange)) transcript.focusEnding(exchange);
  else composer.focusAfterAction();
}

/**
 * Runs an action that may show another conversation. The focus leaves the sidebar then: Enter would open the one that was
 * left, and what is typed would be lost. A field of text and an open menu keep it.
 * @param {() => void} action
 */
function leaveSidebar(action) {
  const { conversation } = chat;
  const wasThere = sidebarElement.contains(document.activeElement);
  action();
  const { activeElement } = document;
  if (!wasThere || chat.conversation === conversation || activeElement?.matches("input, [role=menuitem]")) return;
  if (activeElement instanceof HTMLElement) activeElement.blur(); // where nothing else has it, a heading may get it
  composer.focusAfterAction();
}

function takeFocus() {
  if (!sidebar.takeFocus()) composer.focusAfterAction();
}

/** Announces a text to screen readers. @param {string} text */
function announce(text) {
  status.textContent = text;
}

/** @param {string[]} ids of conversations that are not shown, with a tool that waits for the reader's permission */
function showAwaited(ids) {
  if (ids.length > 0) {
    awaitedPermissions ??= import("./chat/awaited_permissions.js")
      .then((part) => new part.AwaitedPermissions(notices, (id) => thenFocusComposer(() => conversations.open(id))))
      .catch(() => (awaitedPermissions = null)); // offline, or after a deploy: the list has its mark
  }
  void awaitedPermissions?.then((notice) => notice?.show(ids));
}

/** Updates the list, the document's title and the first heading. */
function updateList() {
  panel.show();
  const title = store.record(chat.conversation.id)?.title;
  const { awaiting } = chat.answers;
  if (isOwnPage) document.title = [awaiting.length > 0 && texts.awaiting, title, pageTitle].filter(Boolean).join(" · ");
  const elsewhere = awaiting.filter((id) => id !== chat.conversation.id);
  showAwaited(elsewhere);
  sidebar.awaited = elsewhere.length > 0;
  void syncing?.then((sync) => (sync.isAwaiting = awaiting.length > 0));
  const heading = requireElement("title", HTMLElement);
  heading.hidden = chat.isAtStart;
  heading.textContent = title || texts.untitled;
}
