"""Chooses the directory of the workers' heartbeat files. Loaded by gunicorn's master: imports no application code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

#: In memory. On a disk, a slow write can look like a dead worker.
IN_MEMORY = "/dev/shm"  # noqa: S108  (the names of files made there are random)


class NoDirectory(OSError):
    """No directory is usable. The text names each with the reason."""


def choose_heartbeat_directory(preferred: str | None = None) -> tuple[str, list[str]]:
    """Return a directory for the heartbeat files.

    Args:
        preferred: The one to use if possible: the operator's, or the last one.

    Returns:
        The directory; and one line with the reason for each better one that is not usable. A missing `/dev/shm` gets
        no line.

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
    """Do what gunicorn does with a heartbeat file. It writes no data, so a full directory is usable."""
    number, name = tempfile.mkstemp(prefix="wgunicorn-", dir=directory)
    try:
        os.unlink(name)
        os.utime(number)
    finally:
        os.close(number)
