"""The metrics of several workers, added up: this worker's from memory, the others' from their files."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .metric_values import MetricValues

logger = logging.getLogger("sluice.metrics")

# With these the next file cannot be opened either. The scrape fails, because counters that are left out for a while
# look to Prometheus like a restart.
_NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class MetricFiles:
    """Collects this process's metrics, and those in the files of a directory. For any thread.

    Files that cannot be read are left out; the library's own collector raises. A file of the host application is
    empty for a moment when its worker starts, and any may be broken.
    """

    def __init__(self, directory: str | None, own: MetricValues | None = None) -> None:
        """Take the directory and the values of this process. The directory is read by each scrape.

        Args:
            directory: Where the workers' files are; ``None`` where there are no other workers.
            own: The values that need not be read from a file.
        """
        self._directory = directory
        self._own = own
        self._lock = threading.Lock()
        #: The files that the last scrape could not read, and whether that was logged.
        self._unreadable: dict[str, bool] = {}

    def collect(self) -> Iterable[Metric]:
        """Read and add up. A file that two scrapes in a row could not read is logged once.

        Raises:
            OSError: The directory cannot be read, or no descriptor or memory is left for its files.
        """
        metrics: dict[str, Metric] = {} if self._own is None else _in_memory(self._own)
        failures: dict[str, Exception] = {}
        for name in self._file_names():
            try:
                found = self._read(name)
            except FileNotFoundError:
                continue  # the gauges of a worker that has just gone
            except Exception as error:
                # Any exception: the library does not check what it reads.
                if isinstance(error, OSError) and error.errno in _NOTHING_LEFT:
                    raise
                failures[name] = error
                continue
            for metric in found:
                if metric.name in metrics:
                    metrics[metric.name].samples += metric.samples
                else:
                    metrics[metric.name] = metric
        self._log_unreadable(failures)
        added_up: Iterable[Metric] = MultiProcessCollector._accumulate_metrics(metrics, accumulate=True)  # type: ignore[no-untyped-call]
        return added_up

    def _file_names(self) -> list[str]:
        if self._directory is None:
            return []
        names = sorted(name for name in os.listdir(self._directory) if name.endswith(".db"))
        return [name for name in names if self._own is None or not self._own.owns(name)]

    def _path(self, name: str) -> str:
        assert self._directory is not None
        return os.path.join(self._directory, name)

    def _read(self, name: str) -> list[Metric]:
        path = self._path(name)
        # The public `merge` takes all files or none; this and `_accumulate_metrics` are its two parts.
        return list(MultiProcessCollector._read_metrics([path]).values())  # type: ignore[no-untyped-call]

    def _log_unreadable(self, failures: dict[str, Exception]) -> None:
        with self._lock:
            before, self._unreadable = self._unreadable, {name: name in self._unreadable for name in failures}
        for name, error in failures.items():
            if before.get(name) is False:
                logger.warning(
                    "the metrics in %s are left out, because the file cannot be read (%s: %s); "
                    "once no worker has the id in its name, it should be deleted",
                    self._path(name),
                    type(error).__name__,
                    error,
                )


def _in_memory(values: MetricValues) -> dict[str, Metric]:
    """Return values in the form in which the library reads a file."""
    metrics: dict[str, Metric] = {}
    for value, number in values.snapshot():
        kind, _, mode = value.kind.partition("_")
        metric = metrics.get(value.metric)
        if metric is None:
            metric = metrics[value.metric] = Metric(value.metric, value.help, kind)
        if mode:
            metric._multiprocess_mode = mode  # type: ignore[attr-defined]
        labels = (*value.labels, ("pid", "own")) if mode else value.labels
        metric.add_sample(value.name, labels, number)  # type: ignore[arg-type]  # as the library itself does
    return metrics
