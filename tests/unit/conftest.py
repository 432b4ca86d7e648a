"""What the unit tests' leak oracle must know of before it looks."""

from __future__ import annotations

import gc

import pytest
import uvloop


@pytest.fixture(scope="session", autouse=True)
def pipe_of_libuv() -> None:
    """Let libuv open, before the first baseline, the pipe for signals that a process has once and keeps."""
    uvloop.new_event_loop().close()


@pytest.fixture(scope="module", autouse=True)
def objects_from_before() -> None:
    """Take what imports and earlier modules made out of the collector's sight: the oracle looks through the rest.

    There are 100,000 of them and more, in which to look for tasks, twice a test, takes 30 ms. None of them is a task:
    the oracle has looked.
    """
    gc.collect()
    gc.freeze()
