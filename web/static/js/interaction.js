/** What a reader needs who does more than look at an empty page: loaded later, and the page works without it. */

// only loaded: whoever imports one of these finds it there
import "./chat/answer_receiver.js";
import "./composer/file_button.js";
import "./storage/search_query.js";
import "./transcript/details_view.js";
import "./ui/menu.js";
import { loadStyles } from "./browser/libraries.js";
import { watchCopying } from "./transcript/copied_content.js";
import { watchPrinting } from "./transcript/printed_code.js";
import { watchTab } from "./transcript/tab_stops.js";
import { returnToPlaces } from "./transcript/visited_places.js";
import { FocusKeeper } from "./ui/focus_keeper.js";
import { Tooltips } from "./ui/tooltips.js";
import { keepPlace } from "./ui/turned_screen.js";
import { stepAside, uncoverFocus, uncoverUsed } from "./ui/uncovered.js";

/**
 * Call once.
 * @param {object} page
 * @param {HTMLElement} page.bar
 * @param {HTMLElement} page.log
 * @param {HTMLElement} page.dock
 * @param {import("./transcript/reading_position.js").ReadingPosition} page.position
 * @param {ConstructorParameters<typeof Tooltips>[0]} page.keys of the tooltips
 * @param {() => void} page.takeFocus called when the element with the focus is gone
 */
export function addRest({ bar, log, dock, position, keys, takeFocus }) {
  const scrollBy = (/** @type {number} */ top) => position.scrollBy(top);
  returnToPlaces(log, bar, scrollBy);
  keepPlace(bar, scrollBy);
  for (const watch of [watchCopying, watchPrinting, watchTab]) watch(log);
  uncoverUsed(log);
  uncoverFocus(log, dock);
  stepAside(position.toEnd, log);
  new FocusKeeper(takeFocus);
  void loadStyles("css/dialog.css").then(() => new Tooltips(keys), () => undefined); // without them, no tooltip
}
