"""The files in which the metrics of several workers meet: adds up those that can be read."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger("sluice.metrics")

# They say nothing of the file: the next one could not be opened either, and counters that are left out for a while
# look to Prometheus as if they had begun anew. It keeps what it has where a scrape fails.
_NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class MetricFiles:
    """Collects the metrics of all files of a directory that can be read.

    The library's own collector raises for the sake of one file. A file is empty for a moment when its worker starts,
    and may stay broken after a full disk. May be asked by any thread.
    """

    def __init__(self, directory: str) -> None:
        """Take the directory; it is read with each scrape."""
        self._directory = directory
        self._lock = threading.Lock()
        #: The files that the last scrape could not read, and whether the log has them.
        self._unreadable: dict[str, bool] = {}

    def collect(self) -> Iterable[Metric]:
        """Read and add up. A file that two scrapes in a row could not read is said in the log, once.

        Raises:
            OSError: The directory cannot be read, or no descriptor or memory is left for its files.
        """
        metrics: dict[str, Metric] = {}
        failures: dict[str, Exception] = {}
        for name in sorted(os.listdir(self._directory)):
            if not name.endswith(".db"):
                continue
            try:
                found = self._read(name)
            except FileNotFoundError:
                continue  # the gauges of a worker that has just gone
            except Exception as error:
                # Any: the library takes what it reads at its word, and there is no telling where that leads.
                if isinstance(error, OSError) and error.errno in _NOTHING_LEFT:
                    raise
                failures[name] = error
                continue
            for metric in found:
                if metric.name in metrics:
                    metrics[metric.name].samples += metric.samples
                else:
                    metrics[metric.name] = metric
        self._say(failures)
        added_up: Iterable[Metric] = MultiProcessCollector._accumulate_metrics(metrics, accumulate=True)  # type: ignore[no-untyped-call]
        return added_up

    def _read(self, name: str) -> list[Metric]:
        path = os.path.join(self._directory, name)
        # Its public `merge` takes all files or none; these are the two halves of it.
        return list(MultiProcessCollector._read_metrics([path]).values())  # type: ignore[no-untyped-call]

    def _say(self, failures: dict[str, Exception]) -> None:
        with self._lock:
            before, self._unreadable = self._unreadable, {name: name in self._unreadable for name in failures}
        for name, error in failures.items():
            if before.get(name) is False:
                logger.warning(
                    "the metrics in %s are left out, because the file cannot be read (%s: %s); "
                    "once no worker has the id in its name, it should be deleted",
                    os.path.join(self._directory, name),
                    type(error).__name__,
                    error,
                )
