"""The store of runs, opened by a command: runs are found by the beginning of their ids, stopped and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ...service.events.events import Event
from ...service.runs.stores.base import RunRecord, RunState
from ...service.runs.stores.open import default_file, make_store
from ...service.settings.records.storage import StorageSettings
from ...service.settings.settings import Settings
from ...service.settings.sources.setting_files import SettingFiles
from ...service.stored_runs.event_codec import BadPayload, decode_events
from .environment import Sources

#: Characters of an id that name a run, at least. The first six are the same for all runs of one host.
LEAST_CHARS = 6
# Seconds for runs to end that are stopped, between two looks at them, and between two lines of progress.
STOP_TIMEOUT = 5.0
POLL_INTERVAL = 0.05
PROGRESS_INTERVAL = 1.0
# Bytes of one read.
_PAGE_BYTES = 256 * 1024


class UnusableStore(Exception):
    """The store is not one that a command can use. The text says why."""


class NoSuchRun(Exception):
    """No run, or more than one, is named so."""


def read_storage(sources: Sources) -> StorageSettings:
    """Read where runs are kept.

    Raises:
        SettingsError: A setting is bad.
        UnusableStore: They are kept nowhere, or in the server's memory, or there is no file yet.
    """
    storage = Settings.read([variables for _, variables in sources], SettingFiles(Path.cwd())).storage
    if storage.is_off:
        raise UnusableStore("SLUICE_STORE=off: answers end with their connection, and none is kept.")
    if storage.kind == "memory":
        raise UnusableStore(
            "SLUICE_STORE=memory: keeps answers inside each worker, where no other process can see them. "
            "SLUICE_STORE=sqlite: keeps them in a file."
        )
    if storage.kind == "sqlite":
        named = storage.store.partition(":")[2]
        file = Path(named) if named else default_file()
        # Opening would make it.
        if not file.exists():
            hint = (
                "" if named else " The server's is found from its folder, by its user: or name one by SLUICE_STORE."
            )
            raise UnusableStore(f"There is no store {file}: no answer was kept there yet.{hint}")
    return storage


class StoreSession:
    """An open store, as an asynchronous context manager. Errors of all methods: `StoreUnavailable`."""

    def __init__(self, storage: StorageSettings) -> None:
        """Take where runs are kept.

        Raises:
            SettingsError: As `make_store`.
        """
        self.store = make_store(storage)

    async def __aenter__(self) -> Self:
        await self.store.open(lambda _: None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.store.close()

    async def find(self, named: str) -> RunRecord:
        """Return the run with an id, or with the only id that begins so.

        Raises:
            NoSuchRun: There is none, or there are several.
        """
        if (record := await self.store.find(named)) is not None:
            return record
        if len(named) < LEAST_CHARS:
            raise NoSuchRun(f"{named!r} should have at least {LEAST_CHARS} characters of an answer's id.")
        found = [record for record in await self.store.list_runs(None) if record.run_id.startswith(named)]
        if len(found) > 1:
            raise NoSuchRun(f"{len(found)} answers have ids that begin with {named!r}: give more characters.")
        if not found:
            raise NoSuchRun(f"There is no answer whose id begins with {named!r}, or it is no longer kept.")
        return found[0]

    async def read_events(self, record: RunRecord) -> list[Event]:
        """Return the events of an answer, as far as they are stored.

        Raises:
            NoSuchRun: Its events are gone, or not readable.
        """
        found: list[Event] = []
        last = 0
        while True:
            page = await self.store.read(record.run_id, last, _PAGE_BYTES)
            if page is None or page.record.is_expired:
                raise NoSuchRun("The text of this answer is no longer kept.")
            if not page.batches:
                return found
            for batch in page.batches:
                try:
                    events = decode_events(batch.payload)
                except BadPayload as error:
                    raise NoSuchRun(str(error)) from None
                found += events[max(0, last + 1 - batch.first) :]
                last = batch.last

    async def stop(self, records: Sequence[RunRecord], progress: Callable[[str], None]) -> list[RunRecord]:
        """Stop runs on whichever process they are, and wait for their ends for 5 seconds at most.

        Args:
            records: The runs. Those that have ended stay as they are.
            progress: Takes a line that says what is waited for.

        Returns:
            The runs as they are then, without those that were forgotten meanwhile.
        """
        now = asyncio.get_running_loop().time
        known = {record.run_id: record for record in records}
        running = [record.run_id for record in records if record.state is RunState.RUNNING]
        for run_id in running:
            await self.store.request_stop(run_id, "stopped")
        deadline, say_at = now() + STOP_TIMEOUT, now() + PROGRESS_INTERVAL
        while running:
            for run_id in list(running):
                record = await self.store.find(run_id)
                if record is None:
                    del known[run_id]
                else:
                    known[run_id] = record
                if record is None or record.state is not RunState.RUNNING:
                    running.remove(run_id)
            if not running or now() >= deadline:
                break
            if now() >= say_at:
                say_at = now() + PROGRESS_INTERVAL
                progress(f"waiting for the end of {len(running)}")
            await asyncio.sleep(POLL_INTERVAL)
        return list(known.values())

    async def purge(self, progress: Callable[[str], None], *, stops: bool) -> int:
        """Forget runs.

        Args:
            progress: Takes a line that says how far it is.
            stops: Whether to stop and forget those that run, too.

        Returns:
            How many were forgotten.
        """
        now = asyncio.get_running_loop().time
        count, say_at = 0, now() + PROGRESS_INTERVAL
        for state in RunState:
            if state is RunState.RUNNING and not stops:
                continue
            # A store lists some of them at once.
            while records := await self.store.list_runs(None, state):
                if state is RunState.RUNNING:
                    await self.stop(records, progress)
                for record in records:
                    count += await self.store.delete(record.run_id)
                    if now() >= say_at:
                        say_at = now() + PROGRESS_INTERVAL
                        progress(f"{count} forgotten")
        return count
