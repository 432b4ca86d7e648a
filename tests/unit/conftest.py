"""What the unit tests' leak oracle must know of before it looks."""

from __future__ import annotations

import pytest
import uvloop


@pytest.fixture(scope="session", autouse=True)
def pipe_of_libuv() -> None:
    """Let libuv open, before the first baseline, the pipe for signals that a process has once and keeps."""
    uvloop.new_event_loop().close()
