"""The metrics of several workers, added up: this one's from memory, the others' from those files that can be read."""

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

# They say nothing of the file: the next one could not be opened either, and counters that are left out for a while
# look to Prometheus as if they had begun anew. It keeps what it has where a scrape fails.
_NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class MetricFiles:
    """Collects this process's own metrics, and those of all other files of a directory that can be read.

    The library's own collector raises for the sake of one file. A file of the host application's is empty for a
    moment when its worker starts, and any may be broken. May be asked by any thread.
    """

    def __init__(self, directory: str | None, own: MetricValues | None = None) -> None:
        """Take the directory, which is read with each scrape, and the values of this process.

        Args:
            directory: Where the workers' files are; ``None`` where there are no other workers.
            own: The values that need not be read from a file.
        """
        self._directory = directory
        self._own = own
        self._lock = threading.Lock()
        #: The files that the last scrape could not read, and whether the log has them.
        self._unreadable: dict[str, bool] = {}

    def collect(self) -> Iterable[Metric]:
        """Read and add up. A file that two scrapes in a row could not read is said in the log, once.

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
                    self._path(name),
                    type(error).__name__,
                    error,
                )


def _in_memory(values: MetricValues) -> dict[str, Metric]:
    """Put values into the form in which the library has what it has read of a file."""
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
