/**
 * What a reader needs who does more than look at an empty page: loaded later, and the page works without it. It is all at
 * once, because after a deploy the server has no part of this version any more.
 */

// only loaded: what imports one of these when it is needed finds it there, also offline
import "./api/answer_parts.js";
import "./api/run_control.js";
import "./chat/answer_receiver.js";
import "./chat/awaited_permissions.js";
import "./chat/continuation.js";
import "./chat/earlier_pages.js";
import "./chat/image_messages.js";
import "./chat/moved_edits.js";
import "./composer/added_files.js";
import "./composer/drop_sign.js";
import "./dialogs/archive_controls.js";
import "./dialogs/settings_dialog.js";
import "./dialogs/shortcut_list.js";
import "./dialogs/tuning_dialog.js";
import "./files/conversation_files.js";
import "./storage/search_query.js";
import "./transcript/answer_parts_view.js";
import "./transcript/details_view.js";
import "./transcript/question_images.js";
import "./transcript/search_hit.js";
import "./ui/menu.js";
import { loadStyles } from "./browser/libraries.js";
import { deleteUnusedDrafts } from "./storage/unused_drafts.js";
import { watchCopying } from "./transcript/copied_content.js";
import { watchPrinting } from "./transcript/printed_code.js";
import { keepPlaceInPrint } from "./transcript/printed_place.js";
import { watchTab } from "./transcript/tab_stops.js";
import { returnToPlaces } from "./transcript/visited_places.js";
import { FocusKeeper } from "./ui/focus_keeper.js";
import { loadPersistently } from "./ui/part_loader.js";
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
 * @param {import("./storage/conversation_store.js").ConversationStore} page.store
 * @param {ConstructorParameters<typeof Tooltips>[0]} page.keys of the tooltips
 * @param {() => void} page.takeFocus called when the element with the focus is gone
 */
export function addRest({ bar, log, dock, position, store, keys, takeFocus }) {
  const scrollBy = (/** @type {number} */ top) => position.scrollBy(top);
  returnToPlaces(log, bar, scrollBy);
  keepPlace(bar, scrollBy);
  keepPlaceInPrint(position);
  for (const watch of [watchCopying, watchPrinting, watchTab]) watch(log);
  uncoverUsed(log);
  uncoverFocus(log, dock);
  stepAside(position.toEnd, log);
  new FocusKeeper(takeFocus);
  void deleteUnusedDrafts(store);
  void loadPersistently(() => loadStyles("css/parts.css"));
  void loadPersistently(() => loadStyles("css/dialog.css")).then(() => new Tooltips(keys));
}
