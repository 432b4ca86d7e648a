"""The numbers of metrics: always in memory, and in files as soon as these can be written."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from sluice.service.events.usage import Usage
from sluice.service.observability import metric_guard, metric_values
from sluice.service.observability.metric_values import MetricValues, forget_worker
from sluice.service.observability.metrics import Metrics, MetricsUnavailable
from sluice.service.observability.multiprocess_metrics import MetricFiles

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def looking_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after the files with each write, and say each failure."""
    monkeypatch.setattr(metric_values, "CHECK_INTERVAL", 0.0)
    monkeypatch.setattr(metric_guard, "LOG_INTERVAL", 0.0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where two workers' metrics meet; not there yet."""
    return tmp_path / "metrics"


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[[], Metrics]]:
    """Makes what a worker has; all of it is closed after the test."""
    made: list[Metrics] = []

    def new() -> Metrics:
        made.append(Metrics("provider", str(directory)))
        return made[-1]

    yield new
    for each in made:
        each.close()


def samples(text: bytes) -> dict[str, float]:
    """Return the values of an exposition, under their names with their labels' values behind."""
    return {
        " ".join([sample.name, *(sample.labels[label] for label in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def shown(by: Metrics) -> dict[str, float]:
    return samples(by.exposition(0.0, 1))


def count_an_answer(by: Metrics) -> None:
    by.opened()
    usage = Usage(9, 2, 11, estimated=False)
    by.ended(
        outcome="done",
        code="",
        source="api",
        mode="block",
        provider="provider",
        model="m",
        duration=1.0,
        first_token=0.5,
        usage=usage,
        currency="",
    )


@contextmanager
def failing(error: OSError) -> Iterator[None]:
    """Have every write to a file fail."""

    def refuse(*_: object) -> int:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        yield


def test_one_worker_shows_what_all_have_counted(make: Callable[[], Metrics]) -> None:
    one, other = make(), make()
    for worker in (one, other, other):
        count_an_answer(worker)
        worker.refused("overloaded")
    one.opened()
    for worker in (one, other):
        found = shown(worker)
        assert found["sluice_streams_total  block done api"] == 3
        assert found["sluice_refused_total overloaded"] == 3
        assert found["sluice_streams_open"] == 1
        assert found["sluice_loop_tasks"] == 2 if worker is other else True
        assert found["gen_ai_client_token_usage_sum chat provider m input"] == 27
        assert found["gen_ai_client_operation_duration_seconds_count  chat provider m"] == 3
        assert found["gen_ai_client_operation_duration_seconds_bucket  chat provider m 0.64"] == 0
        assert found["gen_ai_client_operation_duration_seconds_bucket  chat provider m 1.28"] == 3


def test_the_library_itself_can_read_the_files(make: Callable[[], Metrics], directory: Path) -> None:
    worker = make()
    count_an_answer(worker)
    worker.refused("overloaded")
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    assert registry.get_sample_value("sluice_refused_total", {"code": "overloaded"}) == 1
    assert registry.get_sample_value("sluice_streams_open") == 0
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "provider", "gen_ai_request_model": "m"}
    assert registry.get_sample_value("gen_ai_client_operation_time_to_first_chunk_seconds_sum", labels) == 0.5


def test_two_applications_in_one_process_count_apart() -> None:
    one, other = Metrics("provider"), Metrics("provider")
    one.refused("overloaded")
    assert "sluice_refused_total overloaded" in shown(one)
    assert "sluice_refused_total overloaded" not in shown(other)


BREAKAGES: dict[str, Callable[[Path], object]] = {
    "the directory is removed": shutil.rmtree,
    "one file is removed": lambda directory: next(directory.glob("counter_*")).unlink(),
    "a file is put in the place of another": lambda directory: next(directory.glob("counter_*")).replace(
        next(directory.glob("histogram_*"))
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_no_number_is_lost_where_somebody_removes_files(
    make: Callable[[], Metrics], directory: Path, breakage: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = make(), make()
    for worker in (one, other):
        count_an_answer(worker)
    BREAKAGES[breakage](directory)
    # As the worker's main thread does each second, without a request.
    one.write()
    other.write()
    for worker in (one, other):
        assert shown(worker)["sluice_streams_total  block done api"] == 2
        assert shown(worker)["gen_ai_client_operation_duration_seconds_count  chat provider m"] == 2
    assert "were removed while the server ran, and are written again" in caplog.text


def test_an_answer_is_written_by_one_call_for_each_file_and_not_by_one_for_each_value(
    make: Callable[[], Metrics], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each call releases the interpreter's lock, and another thread takes it.
    written: list[int] = []
    real_write = os.pwrite

    def count(descriptor: int, data: bytes, position: int) -> int:
        written.append(descriptor)
        return real_write(descriptor, data, position)

    worker = make()
    count_an_answer(worker)
    monkeypatch.setattr(os, "pwrite", count)
    worker.opened()
    assert len(written) == 1
    written.clear()
    count_an_answer(worker)
    # The begin of the second one; its end changes the gauge, counters and histograms.
    assert len(written) == 1 + 3
    assert len(set(written)) == 3
    monkeypatch.undo()
    found = shown(make())
    assert found["sluice_streams_total  block done api"] == 2
    assert found["gen_ai_client_token_usage_sum chat provider m input"] == 18
    assert found["sluice_streams_open"] == 1


def test_values_far_from_each_other_are_written_without_all_between(
    make: Callable[[], Metrics], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    worker.refused("first")
    for number in range(200):
        worker.refused(f"code-{number}")
    worker.write()  # also the lines of the log that this process has dropped
    sizes: list[int] = []
    real_write = os.pwrite

    def measure(descriptor: int, data: bytes, position: int) -> int:
        sizes.append(len(data))
        return real_write(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", measure)
    for code in ("first", "code-199"):
        worker._refused.add(code)
    worker.write()
    assert sizes == [16, 16]
    monkeypatch.undo()
    found = shown(make())
    assert (found["sluice_refused_total first"], found["sluice_refused_total code-199"]) == (2, 2)


@pytest.mark.parametrize("moment", ["before anything is written", "later"])
def test_counting_goes_on_while_nothing_can_be_written_and_all_of_it_is_written_later(
    make: Callable[[], Metrics], moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = make(), make()
    other.write()
    if moment == "later":
        count_an_answer(one)
    with failing(FULL):
        count_an_answer(one)
        one.refused("overloaded")
        # What this worker itself has counted it knows.
        assert shown(one)["sluice_refused_total overloaded"] == 1
    assert "No space left on device" in caplog.text
    one.write()
    found = shown(other)
    assert found["sluice_streams_total  block done api"] == (2 if moment == "later" else 1)
    assert found["sluice_refused_total overloaded"] == 1
    assert found["sluice_streams_open"] == 0
    assert found["sluice_metrics_failures_total"] >= 3


def test_a_file_that_cannot_be_written_again_stays_as_it_was(make: Callable[[], Metrics], directory: Path) -> None:
    one, other = make(), make()
    count_an_answer(one)
    with failing(FULL):
        count_an_answer(one)
        assert shown(other)["sluice_streams_total  block done api"] == 1
    assert not list(directory.glob("*.new"))


def test_a_failure_is_logged_once_a_minute_and_each_is_counted(
    make: Callable[[], Metrics], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_guard, "LOG_INTERVAL", 60.0)
    worker = make()
    with failing(FULL):
        for _ in range(5):
            worker.refused("overloaded")
    (record,) = caplog.records
    assert "1 failures so far" in record.getMessage()
    assert shown(worker)["sluice_metrics_failures_total"] == 5


def test_a_defect_of_the_metrics_does_not_reach_the_code_that_counts(
    make: Callable[[], Metrics], caplog: pytest.LogCaptureFixture
) -> None:
    make().refused(None)  # type: ignore[arg-type]
    make().ended(outcome="done", code="", source="api", mode="block", provider="provider", model="m", duration="long", first_token=None, usage=None, currency="")  # type: ignore[arg-type]  # noqa: E501  # fmt: skip
    assert "Traceback" in caplog.text


def test_what_is_open_since_the_start_needs_no_descriptor_later(make: Callable[[], Metrics]) -> None:
    one, other = make(), make()
    one.write()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        count_an_answer(one)
        with pytest.raises(MetricsUnavailable, match="Too many open files"):
            one.exposition(0.0, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert shown(other)["sluice_streams_total  block done api"] == 1


def test_a_directory_that_cannot_be_had_makes_the_other_workers_metrics_unavailable(
    make: Callable[[], Metrics], directory: Path
) -> None:
    directory.write_text("a file in its place")
    worker = make()
    count_an_answer(worker)
    with pytest.raises(MetricsUnavailable, match="Not a directory"):
        worker.exposition(0.0, 1)
    directory.unlink()
    assert shown(worker)["sluice_streams_total  block done api"] == 1


def test_a_new_worker_takes_nothing_from_a_file_of_a_dead_one_with_its_id(
    make: Callable[[], Metrics], directory: Path
) -> None:
    directory.mkdir()
    for kind in ("counter", "histogram", "gauge_livesum", "gauge_livemax"):
        (directory / f"{kind}_{os.getpid()}.db").write_bytes(b"not of ours\n" * 1000)
    worker = make()
    count_an_answer(worker)
    assert shown(worker)["sluice_streams_total  block done api"] == 1
    assert shown(make())["sluice_streams_total  block done api"] == 1


def test_a_forked_child_counts_from_0_into_files_of_its_own(make: Callable[[], Metrics], directory: Path) -> None:
    worker = make()
    worker.refused("overloaded")
    child = os.fork()
    if not child:
        try:
            worker.refused("overloaded")
            worker.opened()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    worker.refused("overloaded")
    found = shown(worker)
    assert (found["sluice_refused_total overloaded"], found["sluice_streams_open"]) == (3, 1)
    forget_worker(str(directory), child)
    found = shown(worker)
    assert (found["sluice_refused_total overloaded"], found["sluice_streams_open"]) == (3, 0)


def test_what_holds_only_for_a_live_process_is_forgotten_with_it(tmp_path: Path) -> None:
    gone = ["gauge_livesum_17-ab.db", "gauge_livemax_17-ab.db", "gauge_liveall_17.db"]
    stay = ["gauge_livesum_171-ab.db", "gauge_all_17.db", "counter_17-ab.db", "histogram_17-ab.db"]
    for name in [*gone, *stay]:
        (tmp_path / name).touch()
    forget_worker(str(tmp_path), 17)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)
    forget_worker(str(tmp_path / "not there"), 17)


def test_values_without_a_directory_open_nothing() -> None:
    values = MetricValues(None)
    values.use("counter")
    value = values.new("counter", "c", "c_total", {}, "Help.")
    values.add((value, 2.0))
    assert values.write() is False
    (metric,) = MetricFiles(None, values).collect()
    assert [sample.value for sample in metric.samples] == [2.0]
