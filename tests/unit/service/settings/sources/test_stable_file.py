"""Files that are read while somebody writes them: the content is complete, or an error gives the reason."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.service.settings.sources import stable_file
from sluice.service.settings.sources.stable_file import LONGEST, BadFile, read_stable

WHOLE = b"OPENAI_API_KEY=sk-of-the-file\nSLUICE_MAX_STREAMS=128\n"


class WritingTime:
    """The module's clock. Time passes only in `sleep`, which also writes what is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, write: Callable[[], object]) -> None:
        """Write once this time has passed from the beginning."""
        self.due.append((1000.0 + seconds, write))

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        # Files have the time of the real clock, by which no time passes.
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WritingTime:
    made = WritingTime()
    monkeypatch.setattr(stable_file, "time", made)
    return made


@pytest.mark.parametrize("length", [0, 10, 30, 31, len(WHOLE) - 2])
@pytest.mark.parametrize("pause", [0.1, 0.15])
def test_a_file_that_is_half_written_is_read_when_it_is_whole(
    tmp_path: Path, clock: WritingTime, length: int, pause: float
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(WHOLE[:length])
    clock.after(pause, lambda: path.write_bytes(WHOLE))
    assert read_stable(path, settles=True) == WHOLE


@pytest.mark.parametrize("length", [0, 10, len(WHOLE) - 2])
def test_a_file_that_ends_in_the_middle_of_a_line_or_was_emptied_gets_longer_to_become_whole(
    tmp_path: Path, clock: WritingTime, length: int
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(WHOLE[:length])
    clock.after(0.9, lambda: path.write_bytes(WHOLE))
    assert read_stable(path, settles=True, was_there=True) == WHOLE


def test_a_file_that_an_editor_is_replacing_is_read_when_it_is_back(tmp_path: Path, clock: WritingTime) -> None:
    path, backup = tmp_path / ".env", tmp_path / ".env~"
    backup.write_bytes(WHOLE)
    clock.after(0.5, lambda: backup.rename(path))
    assert read_stable(path, settles=True, was_there=True) == WHOLE


def test_a_file_without_an_end_of_its_last_line_is_used_if_nobody_goes_on_writing(
    tmp_path: Path, clock: WritingTime
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"PORT=8001")
    assert read_stable(path, settles=True) == b"PORT=8001"
    assert clock.now - 1000 < 1.1


def test_a_file_that_was_removed_or_emptied_is_given_up_after_a_while(tmp_path: Path, clock: WritingTime) -> None:
    path = tmp_path / ".env"
    assert read_stable(path, settles=True, was_there=True) is None
    assert clock.now - 1000 < 1.1
    path.touch()
    assert read_stable(path, settles=True, was_there=True) == b""
    assert clock.now - 1000 < 2.2


def test_a_file_that_nobody_writes_is_read_at_once(tmp_path: Path, clock: WritingTime) -> None:
    path = tmp_path / ".env"
    assert read_stable(path, settles=True) is None
    path.write_bytes(WHOLE)
    assert read_stable(path, settles=False) == WHOLE
    assert clock.now == 1000


def test_a_file_that_keeps_changing_is_refused_in_bounded_time(tmp_path: Path, clock: WritingTime) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=0\n")
    for step in range(1, 100):
        clock.after(step / 10, lambda step=step: path.write_bytes(b"A=1\n" * step))
    with pytest.raises(BadFile, match="keeps changing"):
        read_stable(path, settles=True)
    assert clock.now - 1000 < LONGEST + 0.1


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, clock: WritingTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(WHOLE[:30])
    really, seen = os.fstat, []

    def write_meanwhile(number: int) -> os.stat_result:
        found = really(number)
        if not seen:
            seen.append(number)
            path.write_bytes(WHOLE)
        return found

    monkeypatch.setattr(os, "fstat", write_meanwhile)
    assert read_stable(path, settles=False) == WHOLE
    assert clock.now > 1000


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link that leads nowhere", "too large", "a loop of links"])
def test_what_is_no_file_of_text_is_refused_at_once(tmp_path: Path, clock: WritingTime, kind: str) -> None:
    path = tmp_path / ".env"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "too large":
        path.write_bytes(b"\n" * (stable_file.MOST_BYTES + 1))
    else:
        path.symlink_to(tmp_path / ("nothing" if "nowhere" in kind else ".env"))
    said = {
        "a folder": "is no regular file",
        "a pipe": "is no regular file",
        "a link that leads nowhere": "is a link to a file that is not there",
        "too large": "has more than 1048576 bytes",
        "a loop of links": r"cannot be read \(Too many levels of symbolic links\)",
    }[kind]
    with pytest.raises(BadFile, match=said):
        read_stable(path, settles=True)
    assert clock.now == 1000
