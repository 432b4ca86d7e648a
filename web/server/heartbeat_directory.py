"""Where the workers' heartbeat files are. Loaded by gunicorn's master, so it imports nothing of the application."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

#: In memory: on a disk, a slow write can look like a dead worker.
IN_MEMORY = "/dev/shm"  # noqa: S108  (what is made there has a name that nobody can guess)


class NoDirectory(OSError):
    """None of the directories can be used. The text names each, and why."""


def choose_heartbeat_directory(preferred: str | None = None) -> tuple[str, list[str]]:
    """Choose a directory for the heartbeat files.

    Args:
        preferred: One to use if possible; the operator's choice, or the last one.

    Returns:
        The directory; and one line for each better one that cannot be used, which says why. A system without
        `/dev/shm` gets no line.

    Raises:
        NoDirectory: No directory can be used.
    """
    complaints: list[str] = []
    for directory in dict.fromkeys(_candidates(preferred)):
        try:
            _try_out(directory)
        except OSError as error:
            if directory == preferred or os.path.isdir(directory):
                complaints.append(f"{directory}: {error.strerror}")
        else:
            return directory, complaints
    raise NoDirectory("; ".join(complaints) or "there is no directory for temporary files")


def _candidates(preferred: str | None) -> Iterator[str]:
    if preferred:
        yield preferred
    yield IN_MEMORY
    yield from (os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name))
    yield from ("/tmp", "/var/tmp", "/run", os.curdir)  # noqa: S108


def _try_out(directory: str) -> None:
    """Do what gunicorn does with a heartbeat file. Whether it could be executed, or hold data, does not matter."""
    number, name = tempfile.mkstemp(prefix="wgunicorn-", dir=directory)
    try:
        os.unlink(name)
        os.utime(number)
    finally:
        os.close(number)
