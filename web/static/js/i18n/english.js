/** The page's texts in English. Their type is the type of every language: the type check finds missing texts. */

export const ENGLISH = {
  tag: "en",
  newConversation: "New conversation",
  skip: "Skip to the message box",
  greeting: "What would you like to know?",
  startersLabel: "Try one of these",
  starters: [
    ["Email", "Write a short, friendly email that moves our meeting to Thursday afternoon."],
    ["Money", "Explain compound interest to me, with a formula and a small table."],
    ["Travel", "Plan a rainy Saturday in Lisbon for two, without a car."],
    ["Code", "Write a Python function that finds duplicate files, with comments."],
  ],
  demoStarters: [
    ["Table and code", "Compare ways to stream from Flask in a table, with code."],
    ["Mathematics", "How many streams fit on one core? Show the mathematics."],
    ["中文", "用中文介绍一下 Sluice。"],
  ],
  conversationLabel: "Conversation",
  you: "You",
  answer: "Answer",
  messageLabel: "Your message",
  placeholder: "Ask anything",
  hint: "Enter to send, Shift+Enter for a new line",
  hintRunning: "Esc to stop. You can send when the answer is complete.",
  hintReading: "Your message is sent when the conversation has loaded. Esc to stop.",
  hintWaiting: "The answer waits for your decision above.",
  modelLabel: "Model",
  thisPage: "This page",
  settings: "Settings",
  modeLabel: "Answers appear",
  modeStream: "As they are written",
  modeBlock: "All at once",
  modeHelp: "If you leave or reload the page before an answer is complete, it is lost. Tools cannot ask for permission.",
  themeLabel: "Theme",
  themeSystem: "System",
  themeLight: "Light",
  themeDark: "Dark",
  languageLabel: "Language",
  textSizeLabel: "Text size",
  textSmall: "Small",
  textNormal: "Normal",
  textLarge: "Large",
  textLarger: "Largest",
  settingsNotSaved: "This browser cannot save settings. Your choices apply until you leave this page.",
  tune: "Adjust the answers",
  tuned: "Adjust the answers (adjusted)",
  systemPrompt: "Instructions for all answers",
  systemPromptExample: "For example: Be brief. I am a beginner.",
  temperature: "Temperature",
  temperatureDefault: "Default",
  temperatureHelp: "0 is the most predictable, 2 the most varied. Leave empty for the model's default.",
  temperatureOutside: "The temperature should be a number from 0 to 2, or empty.",
  tuningHelp: "Kept with this conversation, and used from the next answer on.",
  done: "Done",
  shortcuts: "Keyboard shortcuts",
  showShortcuts: "Show this list",
  newLine: "New line",
  earlierPrompt: "Previous question (in an empty box)",
  laterPrompt: "Next question",
  nextControl: "Next button or field",
  toggleSidebar: "Open or close the sidebar",
  inTheList: "On a title in the list of conversations",
  conversationAbove: "The one above",
  conversationBelow: "The one below",
  toComposer: "Go to the message box",
  copyLast: "Copy the last answer",
  stopAnswer: "Stop the answer",
  send: "Send",
  stop: "Stop",
  toEnd: "Jump to the latest",
  generating: "Generating",
  awaiting: "Permission needed",
  unseen: "New answer",
  awaitedElsewhere: "A tool asks for your permission in another conversation.",
  /** @param {string} title */
  endedElsewhere: (title) => `The answer in “${title}” has ended.`,
  complete: "Answer complete",
  stopped: "Stopped",
  stoppedNote: "You stopped this answer.",
  deletedNote: "This answer was stopped because you deleted it.",
  abandonedNote: "The server stopped this answer, because no page was reading it.",
  logFullNote: "The server stopped this answer, because it became too long to keep.",
  reconnecting: "The connection was lost. Reconnecting…",
  lengthNote: "The answer reached the model's length limit.",
  filterNote: "The model provider's content filter stopped this answer. Edit your question and ask again, or start a new conversation.",
  /** @param {number} count */
  leftOut: (count) =>
    count === 1
      ? "1 earlier message was left out or shortened: the conversation is longer than one request may be."
      : `${count} earlier messages were left out or shortened: the conversation is longer than one request may be.`,
  emptyNote: "The model sent an empty answer.",
  reasoning: "Reasoning",
  /** @param {string} number */
  seconds: (number) => `${number} s`,
  /** @param {number} seconds */
  thinkingFor: (seconds) => `Thinking for ${duration(seconds)}`,
  /** @param {number} seconds */
  thoughtFor: (seconds) => `Thought for ${duration(seconds)}`,
  copy: "Copy",
  copied: "Copied",
  copyFailed: "Copying failed. Select the text and copy it by hand.",
  copyAnswer: "Copy answer",
  copyQuestion: "Copy question",
  moreActions: "More actions",
  showMore: "Show more",
  showLess: "Show less",
  wrapLines: "Wrap lines",
  regenerate: "Regenerate",
  resume: "Continue",
  /** Sent to the model, not shown to the reader. */
  continueMessage: "Continue exactly where your last answer stopped. Do not repeat anything, and do not add a remark.",
  edit: "Edit question",
  editLabel: "Edit your question",
  askAgain: "Ask",
  cancel: "Cancel",
  delete: "Delete",
  deleteExchange: "Delete question and answer",
  deleteVersion: "Delete this version",
  pin: "Pin",
  unpin: "Unpin",
  pinned: "Pinned",
  exchangeDeleted: "Question and answer deleted.",
  versionDeleted: "Version deleted.",
  editCancelled: "Changes to the question discarded.",
  editReplaced: "Restored. Your other changes were put aside.",
  undo: "Undo",
  undoLast: "Undo the last deletion",
  /** @param {string} keys */
  undoWith: (keys) => `Undo with ${keys}.`,
  undone: "Restored",
  questionVersions: "Versions of this question",
  answerVersions: "Versions of this answer",
  versionBefore: "Previous version",
  versionAfter: "Next version",
  /** @param {number} number @param {number} count */
  versionShown: (number, count) => `Version ${number} of ${count}`,
  /** @param {number} version */
  laterInAnswer: (version) => `The messages that followed are in version ${version} of this answer.`,
  /** @param {number} version */
  laterInQuestion: (version) => `The messages that followed are in version ${version} of this question.`,
  showVersion: "Show that version",
  conversationMissing: "This conversation is not in this browser. It is in another browser, or it was deleted.",
  deletedElsewhere: "This conversation was deleted in another tab.",
  openSidebar: "Open the sidebar",
  closeSidebar: "Close the sidebar",
  conversations: "Conversations",
  searchLabel: "Search conversations",
  searchPlaceholder: "Search",
  noConversations: "Your conversations appear here. They are stored only in this browser.",
  noConversationsSynced: "Your conversations appear here, also on your other devices.",
  /** @param {number} count */
  found: (count) => (count === 0 ? "No results" : count === 1 ? "1 conversation" : `${count} conversations`),
  today: "Today",
  yesterday: "Yesterday",
  thisWeek: "Previous 7 days",
  thisMonth: "Previous 30 days",
  earlier: "Earlier",
  untitled: "Untitled",
  titleLabel: "Title",
  /** @param {string} title */
  actionsFor: (title) => `Actions for “${title}”`,
  rename: "Rename",
  exportMarkdown: "Export as Markdown",
  exportJson: "Export as JSON",
  exportAll: "Export all",
  importFile: "Import",
  conversationDeleted: "Conversation deleted.",
  incomplete: "This answer is incomplete.",
  partNotLoaded: "This part of the page could not be loaded. Reload the page, then try again.",
  codeLabel: "Code",
  /**
   * @param {string} language empty if unknown
   * @param {number} number
   * @param {number} count
   */
  codeName: (language, number, count) =>
    `Code${count > 1 ? ` ${number} of ${count}` : ""}${language ? `: ${language}` : ""}`,
  /**
   * @param {number} number
   * @param {number} count
   */
  tableName: (number, count) => (count > 1 ? `Table ${number} of ${count}` : "Table"),
  image: "Image",
  calloutNote: "Note",
  calloutTip: "Tip",
  calloutImportant: "Important",
  calloutWarning: "Warning",
  calloutCaution: "Caution",
  taskDone: "Done",
  taskOpen: "Not done",
  retry: "Try again",
  startFromHere: "Start a new conversation from here",
  changeTemperature: "Change the temperature",
  chooseModel: "Choose another model",
  copyReport: "Copy error details",
  signIn: "Sign in",
  reload: "Reload",
  show: "Show",
  dismiss: "Dismiss",
  demoNotice: "Answers come from the built-in demo: a script on this server, not a language model. Set OPENAI_API_KEY or OPENAI_BASE_URL for a real one.",
  configurationNotice: "The page could not read the server's settings, so it uses defaults. Reload the page to try again.",
  storageMissing:
    "Conversations are not saved: this page could not load one of its libraries. They are lost when you leave the page. Try to reload it.",
  storageUnavailable:
    "Conversations are not saved: this browser's storage is turned off. They are lost when you leave the page. Allow this page to store data, then reload it.",
  storageFull:
    "This conversation cannot be saved: the browser's storage is full. Export it, or delete other conversations. If you reload, you may lose text.",
  storageNewer: "Another tab runs a newer version of this page. Reload this tab. Until then, nothing is saved here.",
  storageOlder: "Another tab runs an older version of this page. Close that tab. Until then, nothing is saved here.",
  storageWaiting: "The browser's storage does not respond. Close other tabs of this page. Until it responds, nothing is saved here.",
  storageFailed: "This conversation cannot be saved: the browser's storage failed. Export it. If you reload, you may lose text.",
  /**
   * @param {number} most
   * @param {number} excess
   */
  tooLong: (most, excess) =>
    `This message is too long. The limit is ${most.toLocaleString("en")} characters: remove about ${excess.toLocaleString("en")}.`,
  /** @param {number} seconds */
  retryIn: (seconds) => `Try again in ${duration(seconds)}`,
  retryReady: "You can try again now.",
  fileNotText: "Only text files can be put into a message. Images and other files cannot be sent.",
  close: "Close",
  fileTooLarge: "This file is too long for a message. Paste the part that your question is about.",
  draftNotSaved: "This browser cannot save your draft. If you reload, you lose it.",
  offlineNotice: "You are offline. Your conversation and your draft are kept.",
  backOnline: "You are back online",
  details: "Details",
  firstToken: "Time to first token",
  totalTime: "Total time",
  tokensPerSecond: "Tokens per second",
  usage: "Tokens",
  /**
   * @param {string} prompt
   * @param {string} completion
   * @param {boolean} estimated
   */
  tokens: (prompt, completion, estimated) => `${prompt} input, ${completion} output${estimated ? " (estimated)" : ""}`,
  notCounted: "not counted: the answer did not finish",
  cost: "Cost",
  /** @param {string} id */
  reference: (id) => `Reference: ${id}`,
  failures: {
    invalid_request: "The server did not accept this message. Its settings may have changed. Reload the page, then try again.",
    too_large: "This is too long to send, even without the earlier messages. Shorten your message and ask again.",
    overloaded: "The server was busy and did not answer this question.",
    shutting_down: "The server was restarting. Try again.",
    upstream_unavailable: "The model provider was not available. Try again.",
    upstream_timeout: "The model took too long to answer. Try again, or ask for less at once.",
    sign_in_required: "You are signed out. Sign in again, then try again. Your question is kept.",
    csrf_refused: "This page is too old for the server to accept your question. Reload it, then try again. Your question is kept.",
    user_changed: "Another user has signed in in this browser. Your question was not sent. Reload the page.",
    forbidden: "You are not allowed to use this chat. Ask the administrator of this site.",
    refused: "This question was refused. Edit it and ask again.",
    rate_limited: "You sent too many messages in a short time. This one was not answered.",
    upstream_rate_limited: "The model provider had received too many requests. Try again.",
    context_length_exceeded: "The conversation is too long for this model. Start a new one, or shorten your message and ask again.",
    content_filtered:
      "The model provider's content filter refused this conversation. Edit your question and ask again, or start a new conversation.",
    quota_exceeded:
      "This server's account with the model provider is used up. Trying again does not help. Tell the administrator of this server.",
    model_not_found:
      "The model provider does not know this model. Choose another model in the message box, or tell the administrator of this server.",
    temperature_refused:
      "This model does not accept the temperature of this conversation. Leave it empty or set another one under “Adjust the answers”, then try again. If you have set none, tell the administrator of this server.",
    key_refused: "The model provider refused this server's API key. Tell the administrator of this server.",
    upstream_rejected:
      "The model provider refused the request. Ask the administrator of this server to check its settings, then try again.",
    upstream_invalid:
      "The model provider sent something that is not an answer. Try again. If it happens again, tell the administrator of this server.",
    upstream_truncated: "The model's answer stopped before its end. The part that arrived is kept.",
    answer_too_large: "The answer became too long and was stopped. The part that arrived is kept. Ask for less at a time.",
    internal: "The server made an error. Its administrator can find it in the log by the reference.",
    network: "The server could not be reached. It may have been restarting. Try again.",
    offline: "You were offline, so the question was not sent. It is kept.",
    cut_off: "The connection ended before the answer was complete. The part that arrived is kept.",
    unexpected_reply:
      "The reply did not come from the chat server. A proxy may have sent it, or a network that wants you to sign in. Reload the page, then try again.",
    server_stopped: "The server stopped before this answer was complete. The part that arrived is kept.",
    stopped: "The server stopped this answer.",
    store_unavailable: "The server could not read this answer. Try again.",
    too_many_readers: "Too many pages were showing this answer. Close one of them, then try again.",
    too_many_runs: "Too many of your answers were being written unread. Stop one of them, or wait for its end. Then try again.",
    run_unknown: "The server does not have the rest of this answer any more. The part that arrived is kept.",
    run_expired: "The server no longer keeps this answer. The part that arrived is kept.",
    call_unknown: "Nothing waits for this decision any more. The answer may have ended.",
    call_decided: "This was decided already, or the decision came too late.",
    key_reused: "The server has another question under the same key. Try again.",
    interrupted: "The page was closed before this answer was complete.",
    page: "An error occurred in this page. Reload it, then try again. The part of the answer that arrived is kept.",
    unknown: "The server reported an error that this page does not know. Reload the page, then try again.",
  },
};

/** @param {number} seconds */
function duration(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
}
