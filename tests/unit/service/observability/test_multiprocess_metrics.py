"""What is added up of the files of several workers, and what is left out."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from sluice.service.observability.multiprocess_metrics import MetricFiles

# So many that its second half is beyond the first page, which is read by itself.
LABELS = [str(number) for number in range(100)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two workers' counters, each of 1 for each label, and the live gauge of one of them."""
    for name in ("counter_1.db", "counter_2.db"):
        with closing(MmapedDict(str(tmp_path / name))) as values:
            for label in LABELS:
                values.write_value(mmap_key("replies", "replies_total", ["kind"], [label], "Replies."), 1.0, 0.0)
    with closing(MmapedDict(str(tmp_path / "gauge_livesum_1.db"))) as values:
        values.write_value(mmap_key("open", "open", [], [], "Open."), 3.0, 0.0)
    return tmp_path


def scrape(files: MetricFiles) -> list[str]:
    registry = CollectorRegistry()
    registry.register(files)
    return generate_latest(registry).decode().splitlines()


def cut(length: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:length]


BREAKAGES: list[Callable[[bytes], bytes]] = [
    cut(0),
    cut(2),
    cut(4096),
    lambda whole: whole[:4096] + bytes(len(whole) - 4096),  # a page that never reached the disk
    lambda whole: b"\xff\xff\xff\x7f" + whole[4:],
    lambda _: b"not of ours\n" * 1000,
]


@pytest.mark.parametrize("broken", BREAKAGES)
def test_one_file_that_cannot_be_read_leaves_the_metrics_of_all_others(
    directory: Path, broken: Callable[[bytes], bytes]
) -> None:
    file = directory / "counter_2.db"
    file.write_bytes(broken(file.read_bytes()))
    lines = scrape(MetricFiles(str(directory)))
    assert {line for line in lines if line.startswith("replies_total")} == {
        f'replies_total{{kind="{label}"}} 1.0' for label in LABELS
    }
    assert "open 3.0" in lines


def test_whole_files_are_added_up(directory: Path) -> None:
    lines = scrape(MetricFiles(str(directory)))
    assert {line for line in lines if line.startswith("replies_total")} == {
        f'replies_total{{kind="{label}"}} 2.0' for label in LABELS
    }


@pytest.mark.parametrize("name", ["gauge.db", "of_another_make.db", "counter_.db"])
def test_a_file_that_is_no_workers_is_left_out(directory: Path, name: str) -> None:
    (directory / name).write_bytes((directory / "counter_1.db").read_bytes()[:4096])
    assert "open 3.0" in scrape(MetricFiles(str(directory)))


def test_the_log_names_a_file_once_that_stays_unreadable(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = directory / "counter_2.db"
    whole = file.read_bytes()
    files = MetricFiles(str(directory))
    said = []
    for content in (b"", b"", b"", whole, b"", b""):
        file.write_bytes(content)
        scrape(files)
        said.append(len(caplog.records))
    # Not at first: a worker that starts has an empty file for a moment.
    assert said == [0, 1, 1, 1, 1, 2]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert str(file) in caplog.text


def test_a_scrape_fails_where_nothing_can_be_opened(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, all counters would look as if they had begun again."""

    def refuse(_: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(MmapedDict, "read_all_values_from_file", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        scrape(MetricFiles(str(directory)))
