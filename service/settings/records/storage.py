"""The settings of runs that outlive their connection: where they are kept, for how long, and how many."""

from __future__ import annotations

import re
from dataclasses import dataclass
from socket import gethostname

from ..fields import setting
from ..parsers import count, printable_text, seconds

_STORE = re.compile(r"off|memory:|sqlite:.*|(?:redis|rediss|valkey|valkeys)(?:\+cluster|\+sentinel)?://.+")


def store_url(text: str) -> str:
    """Parse the address of a store of runs."""
    if not text.isprintable() or not _STORE.fullmatch(text):
        raise ValueError("off, memory:, sqlite:, sqlite:/path/to/runs.db or a URL such as redis://host:6379/0")
    return text


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where runs are kept, and the limits of runs that their clients may leave."""

    store: str = setting(
        "SLUICE_STORE",
        store_url,
        "sqlite:",
        "Where answers are kept that go on without their client: `off`; `memory:` of one process; `sqlite:` for all "
        "workers of one machine, in a file below /tmp, or `sqlite:/path/to/runs.db`; `redis://...` "
        "and `valkey://...` for several hosts, also `rediss://`, `redis+cluster://` and `redis+sentinel://`. Or "
        "`SLUICE_STORE_FILE`: a file that holds it.",
        secret=True,
        from_file=True,
    )
    instance: str = setting(
        "SLUICE_INSTANCE",
        printable_text,
        "",
        "The name of this host in the ids of runs, where several hosts have stores of their own. Default: its host "
        "name.",
    )
    kept: float = setting(
        "SLUICE_RUN_KEPT", seconds(1, 86_400), 600.0, "Seconds for which an answer can be read after its end."
    )
    max_run_bytes: int = setting(
        "SLUICE_RUN_MAX_BYTES",
        count(1_000, 2**30, "bytes"),
        2 * 2**20,
        "The largest answer that goes on without its client, in bytes of its events. Each worker holds it in memory.",
    )
    abandoned_after: float = setting(
        "SLUICE_RUN_ABANDONED_AFTER",
        seconds(0.05, 86_400),
        120.0,
        "Seconds without a reader after which an answer is stopped.",
    )
    max_unattended: int = setting(
        "SLUICE_RUN_MAX_UNATTENDED",
        count(0, 10_000, "answers"),
        3,
        "Answers of one user that may go on without a reader. Of more, the one that waits longest is stopped.",
    )
    max_readers: int = setting(
        "SLUICE_RUN_MAX_READERS",
        count(1, 10_000, "readers"),
        8,
        "Clients that may read one answer at once, on one worker.",
    )
    max_store_bytes: int = setting(
        "SLUICE_STORE_MAX_BYTES",
        count(100_000, 2**40, "bytes"),
        256 * 2**20,
        "The size of the store, in bytes of events. Beyond it, new answers end with their connection.",
    )

    @property
    def is_off(self) -> bool:
        """Whether answers end with their connection."""
        return self.store == "off"

    @property
    def kind(self) -> str:
        """What keeps runs, without an address: `off`, `memory`, `sqlite`, `redis` and the like."""
        return self.store.partition(":")[0]

    @property
    def instance_name(self) -> str:
        """The name of this host."""
        return self.instance or gethostname()

    def contradictions(self, workers: int) -> list[str]:
        """Return a sentence where the store forgets what its users may expect it to keep.

        Args:
            workers: Worker processes of the server.
        """
        if self.store != "memory:":
            return []
        found = ["SLUICE_STORE=memory: keeps answers in one process: a restart forgets them."]
        if workers > 1:
            found.append(
                f"SLUICE_STORE=memory: is not shared by the {workers} workers of WEB_CONCURRENCY: a client that is "
                "served by another one later does not find its answer. sqlite: is shared."
            )
        return found
