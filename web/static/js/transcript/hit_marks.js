/**
 * Marks the words of a search in an exchange. The search has looked in the source: where a word is not in the text of an
 * answer, what has it in its source is marked. The colours of code replace its text, which is then marked again.
 */

const NAME = "sluice-hit"; // as in the style sheet
const BOX = ".lines"; // of code: the highlighter replaces the text of a whole box
/** What is read as one text, with emphasis, links and code in it. */
const BLOCK = `p, li, td, th, h1, h2, h3, h4, h5, h6, dt, dd, summary, blockquote, .formula *, ${BOX}`;
const UNSEARCHED = "button, .reasoning, figcaption, .katex-mathml"; // names that the page gives, and copies
const WITH_SOURCE = "a[href], img[alt], .code, .formula";

/**
 * @typedef {{ word: string, range: Range, isPhrase?: boolean }} Mark of a phrase, if all words follow each other there
 * @typedef {{ box: Element, texts: Text[] }} Run texts that follow each other in one block, or in one box of code
 */

export class HitMarks {
  #words;
  /** The marks of each run in the order of the text. @type {Mark[][]} */
  #marks = [];
  /** The index of the run of each box. @type {Map<Element, number>} */
  #boxes = new Map();
  /** What has words in its source. @type {Mark[]} */
  #elements;
  #highlight = "highlights" in CSS ? new Highlight() : null; // a browser without the API shows the place unmarked
  #observer = new MutationObserver((changes) => this.#markAgain(changes));
  /** @type {Mark[] | null} */
  #quoted = null;

  /**
   * @param {HTMLElement} exchange
   * @param {string[]} words lower-case
   */
  constructor(exchange, words) {
    this.#words = words;
    for (const run of runsIn(exchange)) {
      if (run.box.matches(BOX)) this.#boxes.set(run.box, this.#marks.length);
      this.#marks.push(this.#mark(run));
    }
    const inText = new Set(this.#marks.flat().filter(({ range }) => !questionAround(range)).map(({ word }) => word));
    this.#elements = this.#show(elementsWith(exchange, words.filter((word) => !inText.has(word))));
    if (this.#highlight) CSS.highlights.set(NAME, this.#highlight);
    this.#observer.observe(exchange, { childList: true, subtree: true });
  }

  /** The first mark of each word: of the phrase if there is one, and of the answer if it has it, because then the list quotes the answer. */
  get quoted() {
    this.#quoted ??= quotedOf([...this.#marks.flat(), ...this.#elements].sort(byPlace), this.#words);
    return this.#quoted;
  }

  clear() {
    this.#observer.disconnect();
    if ("highlights" in CSS) CSS.highlights.delete(NAME);
  }

  /** @param {Run} run */
  #mark(run) {
    return this.#show(marksIn(run, this.#words));
  }

  /** @param {Mark[]} marks */
  #show(marks) {
    for (const { range } of marks) this.#highlight?.add(range);
    return marks;
  }

  /** @param {MutationRecord[]} changes */
  #markAgain(changes) {
    for (const box of new Set(changes.map(({ target }) => /** @type {Element} */ (target).closest(BOX)))) {
      const index = box ? this.#boxes.get(box) : undefined;
      if (!box || index === undefined) continue;
      for (const { range } of this.#marks[index] ?? []) this.#highlight?.delete(range);
      this.#marks[index] = this.#mark({ box, texts: [...textsIn(box)] });
      this.#quoted = null;
    }
  }
}

/** @param {Element} element */
function* textsIn(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) yield /** @type {Text} */ (walker.currentNode);
}

/** @param {HTMLElement} exchange @returns {Run[]} */
function runsIn(exchange) {
  /** @type {Run[]} */
  const runs = [];
  for (const text of textsIn(exchange)) {
    const parent = text.parentElement;
    if (!parent?.closest(".question:not([hidden]), .prose") || parent.closest(UNSEARCHED)) continue;
    const box = parent.closest(BLOCK) ?? parent;
    const last = runs.at(-1);
    if (last?.box === box) last.texts.push(text);
    else runs.push({ box, texts: [text] });
  }
  return runs;
}

/**
 * @param {Run} run
 * @param {string[]} words
 * @returns {Mark[]} in the order of the text
 */
function marksIn({ texts }, words) {
  const all = texts.map(lowerCase).join("");
  const places = words.flatMap((word) => placesIn(all, word).map((at) => ({ word, at }))).sort((one, other) => one.at - other.at);
  if (places.length === 0) return [];
  const phrase = words.join(" ");
  const phrases = words.length > 1 ? placesIn(all, phrase) : [];
  let length = 0;
  const ends = texts.map((text) => (length += text.length));
  return places.map(({ word, at }) => {
    while (at >= (phrases[0] ?? Infinity) + phrase.length) phrases.shift();
    const range = document.createRange();
    const end = at + word.length;
    const first = ends.findIndex((each) => each > at);
    const last = ends.findIndex((each) => each >= end);
    range.setStart(/** @type {Text} */ (texts[first]), at - (ends[first - 1] ?? 0));
    range.setEnd(/** @type {Text} */ (texts[last]), end - (ends[last - 1] ?? 0));
    return { word, range, isPhrase: at >= (phrases[0] ?? Infinity) };
  });
}

/**
 * @param {HTMLElement} exchange
 * @param {string[]} words
 * @returns {Mark[]} elements of the answer whose source has the words
 */
function elementsWith(exchange, words) {
  if (words.length === 0) return [];
  return [...exchange.querySelectorAll(`.prose :is(${WITH_SOURCE})`)].flatMap((element) => {
    if (element.closest(".reasoning")) return [];
    const source = sourceOf(element).toLocaleLowerCase();
    return words.filter((word) => source.includes(word)).map((word) => {
      const range = document.createRange();
      range.selectNode(element.querySelector(":scope > figcaption > span") ?? element);
      return { word, range };
    });
  });
}

/** @param {Element} element @returns {string} what its text does not show */
function sourceOf(element) {
  const address = element.getAttribute("href") ?? "";
  if (address) return `${address}\n${decoded(address)}`;
  if (element.matches("img")) return element.getAttribute("alt") ?? "";
  // not by Markdown's own function: what both import is a file more in the bundle, for which Markdown would wait
  const language = () => /\blanguage-(\S+)/.exec(element.querySelector("pre > code")?.className ?? "")?.[1] ?? "";
  return element.querySelector("annotation")?.textContent ?? language();
}

/** @param {string} address */
function decoded(address) {
  try {
    return decodeURI(address);
  } catch {
    return ""; // another encoding than UTF-8
  }
}

/** @param {Mark} one @param {Mark} other */
function byPlace({ range: one }, { range: other }) {
  return one.compareBoundaryPoints(Range.START_TO_START, other);
}

/** @param {Text} text @returns {string} of the same length */
function lowerCase({ data }) {
  const lower = data.toLocaleLowerCase();
  return lower.length === data.length ? lower : data; // a few letters become two: the places would differ
}

/**
 * @param {string} text
 * @param {string} word
 */
function placesIn(text, word) {
  const places = [];
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) places.push(at);
  return places;
}

/**
 * @param {Mark[]} marks
 * @param {string[]} words
 */
function quotedOf(marks, words) {
  const firstOf = (/** @type {Mark[]} */ among) => among.filter((mark) => among.find(({ word }) => word === mark.word) === mark);
  const phrases = marks.filter(({ isPhrase }) => isPhrase);
  const among = phrases.length > 0 ? phrases : marks;
  const ofAnswer = firstOf(among.filter(({ range }) => !questionAround(range)));
  return ofAnswer.length === new Set(words).size ? ofAnswer : firstOf(among);
}

/** @param {Range} place */
export function questionAround(place) {
  return elementAround(place).closest(".question");
}

/** @param {Range} place */
export function elementAround(place) {
  const { commonAncestorContainer } = place;
  return /** @type {HTMLElement} */ (commonAncestorContainer instanceof HTMLElement ? commonAncestorContainer : commonAncestorContainer.parentElement);
}
