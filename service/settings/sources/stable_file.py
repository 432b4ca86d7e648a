"""Reads a file that somebody may be writing: its bytes, once it has been unchanged for a while.

What is guaranteed: the bytes were all there at one moment, and, where it is waited for, nothing had changed the file
for `SETTLED` seconds.
What cannot be: a writer that pauses for longer in the middle of the file looks like one that has finished. Replacing
the file in one step (`mv new .env`) is safe at any pace.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

#: Seconds without a change after which a file counts as complete. Editors write within milliseconds.
SETTLED = 0.2
#: The same for a file that looks incomplete: without an end of its last line; gone or emptied since the last time.
SUSPECT_SETTLED = 1.0
#: Seconds after which a file that keeps changing is given up.
LONGEST = 3.0
#: Bytes of a file. More than any key, prompt or `.env` has.
MOST_BYTES = 2**20
# Seconds between two looks at the file.
_PAUSE = 0.02


class BadFile(ValueError):
    """A file cannot be used. The text is a clause to follow its name: `is no regular file`."""


def read_stable(path: Path, *, settles: bool, was_there: bool = False) -> bytes | None:
    """Return what a file holds; None where there is none. May wait for `LONGEST` seconds.

    Args:
        path: The file.
        settles: Whether to wait until a file that was changed just now is unchanged for a while. Without, only a
            change during the reading is noticed, and the file is read again.
        was_there: Whether it was there, and not empty, when it was last read. An editor may be replacing it.

    Raises:
        BadFile: It is no regular file, too large, cannot be read, or keeps changing.
    """
    clock = time.monotonic
    began = changed_at = clock()
    seen: tuple[int, ...] | None = None
    is_first = True
    while True:
        raw, state, age = _read_once(path)
        if is_first:
            # Without `settles`, one reading is enough.
            changed_at = began - age if settles else began - LONGEST
        elif state != seen:
            changed_at = clock()
        is_first, seen = False, state
        is_suspect = (was_there and not raw) or bool(raw and not raw.endswith((b"\n", b"\r")))
        needed = SUSPECT_SETTLED if is_suspect else SETTLED
        # What was read is of the state that was seen before and after it.
        if raw is not None and not _has_changed(path, state) and clock() - changed_at >= needed:
            return raw
        if raw is None and (not was_there or clock() - began >= needed):
            return None
        if clock() - began >= LONGEST:
            raise BadFile(f"keeps changing, and was not complete within {LONGEST:g} s; it should be written first")
        time.sleep(_PAUSE)


def _read_once(path: Path) -> tuple[bytes | None, tuple[int, ...] | None, float]:
    """Return a file's bytes, its state before they were read, and for how many seconds it had been unchanged."""
    try:
        # Without waiting for the writer of a pipe.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.is_symlink():
            raise BadFile("is a link to a file that is not there") from None
        return None, None, 0.0
    except OSError as error:
        raise BadFile(f"cannot be read ({error.strerror})") from None
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):
        os.close(number)
        raise BadFile("is no regular file")
    with open(number, "rb") as file:
        try:
            raw = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise BadFile(f"cannot be read ({error.strerror})") from None
    if len(raw) > MOST_BYTES:
        raise BadFile(f"has more than {MOST_BYTES} bytes")
    # The time of the last change of the inode, which a copy cannot preserve. One in the future says nothing.
    age = time.time() - max(found.st_ctime, found.st_mtime)
    return raw, _state(found), max(age, 0.0)


def _has_changed(path: Path, state: tuple[int, ...] | None) -> bool:
    try:
        return _state(os.stat(path)) != state
    except OSError:
        return True


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
