"""Makes a page's reads of its database as slow as a test needs."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, expect

# Delays the events of read requests. Requests of writing transactions stay quick: such a transaction would be
# committed before its next request. The first page finds no item in sessionStorage; about:blank has no storage.
SLOW_READS: Final = """(() => {
  if (location.protocol === "about:") return;
  const held = [];
  const listen = EventTarget.prototype.addEventListener;
  window.slowReads = {
    isHolding: sessionStorage.slowReads === "1",
    isReady: () => held.length > 0 && held.every(({ request }) => request.readyState === "done"),
    release: (isError) => {
      window.slowReads.isHolding = false;
      for (const { request, listeners } of held.splice(0)) {
        if (request.readyState === "pending") {
          for (const type of ["success", "error"]) {
            for (const listener of listeners[type]) listen.call(request, type, listener);
          }
          continue;
        }
        if (isError) Object.defineProperty(request, "error", { value: new DOMException("broken", "UnknownError") });
        for (const listener of listeners[isError ? "error" : "success"]) listener(new Event("released"));
      }
    },
  };
  const slow = (prototype, name, modeOf) => {
    const read = prototype[name];
    prototype[name] = function (...args) {
      const request = read.apply(this, args);
      if (!window.slowReads.isHolding || modeOf(this) !== "readonly") return request;
      const listeners = { success: [], error: [] };
      held.push({ request, listeners });
      request.addEventListener = (type, listener) => listeners[type].push(listener);
      return request;
    };
  };
  for (const name of ["get", "getAll"]) {
    slow(IDBObjectStore.prototype, name, (store) => store.transaction.mode);
    slow(IDBIndex.prototype, name, (index) => index.objectStore.transaction.mode);
  }
})()"""


class SlowReads:
    """Holds the results of a tab's database reads until they are released.

    Args:
        page: The tab, before it opens the chat page.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        page.add_init_script(SLOW_READS)

    def hold(self) -> None:
        """Hold the results of reads from now on."""
        self._page.evaluate("() => { slowReads.isHolding = true; }")

    def hold_after_reload(self) -> None:
        """Hold the results of all reads of the next document."""
        self._page.evaluate("() => { sessionStorage.slowReads = '1'; }")

    def wait(self) -> None:
        """Wait until results are held, and no read is unfinished."""
        self._page.wait_for_function("() => slowReads.isReady()")

    def release(self) -> None:
        """Deliver all results, and hold no more."""
        self._page.evaluate("() => slowReads.release(false)")

    def fail(self) -> None:
        """Report an error for each read that is held, and hold no more. Call `wait` before."""
        self._page.evaluate("() => slowReads.release(true)")


def expect_reading(page: Page) -> None:
    """Expect that the page is reading the chosen conversation."""
    expect(page.get_by_role("log")).to_have_attribute("aria-busy", "true")


def expect_read(page: Page) -> None:
    """Expect that the page is not reading a conversation."""
    expect(page.get_by_role("log")).to_have_attribute("aria-busy", "false")
