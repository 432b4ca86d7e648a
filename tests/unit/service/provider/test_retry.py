"""A provider is asked again where that may help, and only before the first token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from sluice.service.errors import UpstreamError, UpstreamRejected, UpstreamTruncated, UpstreamUnavailable
from sluice.service.events.events import Event, Finished, Reasoning, Text
from sluice.service.provider import retry
from sluice.service.provider.retry import RETRY_PAUSE_MOST, stream_with_retries
from sluice.service.runs.log import RunLog
from tests.support.run_logs import CollectingReader
from tests.support.scenario import run

WHOLE: list[Event] = [Text("Hello"), Finished("stop", None)]
TIMEOUT = 60.0


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "RETRY_PAUSE", 0.0)


class Attempts:
    """Attempts that append these events, and then raise their failure if they have one."""

    def __init__(self, *scripts: tuple[Sequence[Event], UpstreamError | None]) -> None:
        self.scripts = list(scripts)
        self.deadlines: list[float] = []
        self.open = 0

    async def __call__(self, log: RunLog, deadline: float) -> None:
        self.deadlines.append(deadline)
        events, failure = self.scripts.pop(0)
        self.open += 1
        try:
            for event in events:
                log.append([event])
            if failure is not None:
                raise failure
            if not events:
                await asyncio.Event().wait()
        finally:
            self.open -= 1


def stream(
    attempts: Attempts, max_retries: int = 2, timeout: float = TIMEOUT
) -> tuple[list[Event], UpstreamError | None, list[str]]:
    """Return the events, the failure, and the codes of the failures that were followed by an attempt."""
    events: list[Event] = []
    failures: list[UpstreamError] = []
    retried: list[str] = []

    async def scenario() -> None:
        log = RunLog()
        reader = CollectingReader(log)
        try:
            await stream_with_retries(
                [partial(attempts, log)],
                log,
                max_retries=max_retries,
                first_token_timeout=timeout,
                on_retry=retried.append,
            )
        except UpstreamError as failure:
            failures.append(failure)
        events.extend(reader.events)

    run(scenario)
    assert attempts.open == 0
    return events, failures[0] if failures else None, retried


def test_a_first_attempt_that_succeeds_is_the_only_one() -> None:
    assert stream(Attempts((WHOLE, None))) == (WHOLE, None, [])


def test_an_attempt_that_fails_before_its_first_token_is_followed_by_another_with_the_same_deadline() -> None:
    attempts = Attempts(([], UpstreamUnavailable("a")), ([], UpstreamTruncated("b")), (WHOLE, None))
    events, failure, retried = stream(attempts)
    assert events == WHOLE
    assert failure is None
    assert retried == ["upstream_unavailable", "upstream_truncated"]
    assert len(set(attempts.deadlines)) == 1


@pytest.mark.parametrize("shown", [Text("Hel"), Reasoning("Hm")])
def test_no_attempt_follows_once_a_token_was_shown(shown: Event) -> None:
    attempts = Attempts(([shown], UpstreamTruncated("broken")), (WHOLE, None))
    events, failure, retried = stream(attempts)
    assert events == [shown]
    assert isinstance(failure, UpstreamTruncated)
    assert retried == []


def test_there_are_no_more_attempts_than_are_allowed_and_the_last_failure_is_raised() -> None:
    failures = [UpstreamUnavailable(str(number)) for number in range(3)]
    events, failure, retried = stream(Attempts(*(([], each) for each in failures)), max_retries=2)
    assert events == []
    assert failure is failures[2]
    assert len(retried) == 2
    assert stream(Attempts(([], failures[0])), max_retries=0)[1] is failures[0]


@pytest.mark.parametrize(
    "failure",
    [UpstreamRejected("no"), UpstreamUnavailable("later", retry_after=RETRY_PAUSE_MOST + 1)],
    ids=["not retryable", "a longer pause than is waited for"],
)
def test_where_another_attempt_cannot_help_the_failure_is_raised_at_once(failure: UpstreamError) -> None:
    assert stream(Attempts(([], failure), (WHOLE, None))) == ([], failure, [])


def test_a_pause_that_ends_behind_the_deadline_is_not_begun() -> None:
    failure = UpstreamUnavailable("later", retry_after=RETRY_PAUSE_MOST)
    assert stream(Attempts(([], failure), (WHOLE, None)), timeout=RETRY_PAUSE_MOST / 2) == ([], failure, [])


def test_a_cancellation_ends_the_attempt_that_runs() -> None:
    attempts = Attempts(([], None))

    async def scenario() -> None:
        log = RunLog()
        stream = stream_with_retries(
            [partial(attempts, log)], log, max_retries=1, first_token_timeout=TIMEOUT, on_retry=lambda code: None
        )
        task = asyncio.ensure_future(stream)
        while not attempts.open:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(scenario)
    assert attempts.open == 0
    assert attempts.scripts == []


def fail_over(
    *attempts: Attempts, max_retries: int = 0, timeout: float = TIMEOUT
) -> tuple[list[Event], UpstreamError | None]:
    """Ask these providers; return the events and the failure."""
    events: list[Event] = []
    failures: list[UpstreamError] = []

    async def scenario() -> None:
        log = RunLog()
        reader = CollectingReader(log)
        try:
            await stream_with_retries(
                [partial(each, log) for each in attempts],
                log,
                max_retries=max_retries,
                first_token_timeout=timeout,
                on_retry=lambda code: None,
            )
        except UpstreamError as failure:
            failures.append(failure)
        events.extend(reader.events)

    run(scenario)
    return events, failures[0] if failures else None


def test_each_provider_is_asked_once_without_a_pause_though_no_retries_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "RETRY_PAUSE", 1000.0)
    # It asks for a longer pause than is waited for, which another provider need not wait for.
    first = Attempts(([], UpstreamUnavailable("a", retry_after=RETRY_PAUSE_MOST + 1)))
    assert fail_over(first, Attempts((WHOLE, None))) == (WHOLE, None)


def test_after_the_last_provider_the_first_is_asked_again_and_its_own_wait_counts() -> None:
    first = Attempts(([], UpstreamUnavailable("a")), (WHOLE, None))
    second = Attempts(([], UpstreamUnavailable("b", retry_after=RETRY_PAUSE_MOST + 1)))
    assert fail_over(first, second, max_retries=1) == (WHOLE, None)
    last = UpstreamUnavailable("b")
    waits = Attempts(([], UpstreamUnavailable("a", retry_after=RETRY_PAUSE_MOST + 1)), (WHOLE, None))
    assert fail_over(waits, Attempts(([], last)), max_retries=1) == ([], last)


@pytest.mark.parametrize(
    "script",
    [([], UpstreamRejected("no")), ([Text("Hel")], UpstreamTruncated("broken"))],
    ids=["a failure that does not pass", "a token was shown"],
)
def test_no_other_provider_is_asked_after(script: tuple[list[Event], UpstreamError]) -> None:
    other = Attempts((WHOLE, None))
    assert fail_over(Attempts(script), other) == script
    assert other.deadlines == []


def test_a_provider_leaves_equal_parts_of_the_time_to_those_after_it() -> None:
    providers = [Attempts(([], UpstreamUnavailable(name))) for name in "abc"]
    fail_over(*providers, timeout=60.0)
    first, second, third = (each.deadlines[0] for each in providers)
    assert (second - first, third - first) == (pytest.approx(10.0, abs=1.0), pytest.approx(40.0, abs=1.0))
