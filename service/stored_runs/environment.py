"""What stored runs use of their process: the clock, a store and threads. A simulation has its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from ..runs.stores.base import RunStore
from ..runs.stores.open import make_store
from ..settings.records.storage import StorageSettings

# Runs end on threads of their own, since the application's functions are called there.
CLOSING_THREADS = 4


def _make_id() -> str:
    return secrets.token_hex(16)


def _make_executor() -> Executor:
    return ThreadPoolExecutor(CLOSING_THREADS, "sluice-closing")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the stored runs of one process use of it."""

    #: Returns the time in seconds since 1970.
    clock: Callable[[], float] = time.time
    #: Makes the store that the settings name, without opening it.
    make_store: Callable[[StorageSettings], RunStore] = make_store
    #: Makes the threads on which runs end.
    make_executor: Callable[[], Executor] = _make_executor
    #: Returns the random part of a run's id: 32 hexadecimal digits from 128 bits.
    make_id: Callable[[], str] = _make_id
