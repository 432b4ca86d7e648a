"""What the unit tests' leak oracle must know of before it looks."""

from __future__ import annotations

import gc

import pytest
import uvloop


@pytest.fixture(scope="session", autouse=True)
def pipe_of_libuv() -> None:
    """Let libuv open, before the first baseline, the pipe for signals that a process has once and keeps."""
    uvloop.new_event_loop().close()


@pytest.fixture(scope="session", autouse=True)
def objects_of_modules() -> None:
    """Take what imports have made out of the collector's sight: the oracle looks through the rest twice a test.

    There are 100,000 to 200,000 of them, in which to look for tasks takes 30 ms and more; and no task is among them.
    """
    gc.collect()
    gc.freeze()
