"""The directory in which the metrics of a server's workers meet."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile

from ...service.observability.metric_values import forget_worker
from .heartbeat_directory import IN_MEMORY

logger = logging.getLogger("sluice.metrics")

# By these variables the directory and its owner's pid come to the workers, and over USR2 to the next master.
_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_OWNER = "SLUICE_METRICS_OWNER"
_PREFIX = "sluice-metrics-"


class MetricsDirectory:
    """A directory of the master's own, unless the operator chose one. In the master."""

    def __init__(self, given: str | None) -> None:
        """Choose or make the directory, and name it in the environment, for the workers.

        Args:
            given: The operator's directory, or what an earlier master or configuration has named.
        """
        # After USR2 the new master inherits the old one's variables; after HUP this runs again in the same master.
        is_kept = bool(given) and os.environ.get(_OWNER, "") in ("", str(os.getpid()))
        self._path = given if is_kept else self._make()
        if self._path is None:
            os.environ.pop(_DIRECTORY, None)
        else:
            os.environ[_DIRECTORY] = self._path

    @staticmethod
    def _make() -> str | None:
        os.environ[_OWNER] = str(os.getpid())
        try:
            try:
                path = tempfile.mkdtemp(prefix=_PREFIX)
            except OSError:
                # The one directory that many containers with a read-only root can write.
                path = tempfile.mkdtemp(prefix=_PREFIX, dir=IN_MEMORY)
        except OSError as error:
            logger.warning(
                "no directory can be made for the workers' metrics, so each worker reports only its own: %s; "
                "PROMETHEUS_MULTIPROC_DIR should name a directory that can be written",
                error,
            )
            return None
        # At the exit of this process and not in a hook of gunicorn's, which `--check-config` never reaches.
        atexit.register(_remove, path, os.getpid())
        return path

    def give_to(self, uid: int, gid: int) -> None:
        """Let the workers write there, whom gunicorn's settings `user` and `group` may make another user's.

        Raises:
            OSError: The owner cannot be changed.
        """
        if self._path is not None and os.environ.get(_OWNER) == str(os.getpid()):
            os.chown(self._path, uid, gid)

    def forget(self, pid: int) -> None:
        """Remove the gauges of a worker that has ended.

        Raises:
            OSError: They cannot be removed.
        """
        if self._path is not None:
            forget_worker(self._path, pid)


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # workers inherit the registration
        shutil.rmtree(path, ignore_errors=True)
