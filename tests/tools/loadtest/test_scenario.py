"""When requests begin, how clients behave, and where the knee is."""

from __future__ import annotations

import itertools
import math
import statistics
from random import Random

import pytest

from tools.loadtest.deploy import Deployment
from tools.loadtest.knee import Stage, between, find_knee, is_past_knee
from tools.loadtest.outcome import Outcome
from tools.loadtest.scenario import (
    PAUSE_AFTER_FAILURE,
    bursts,
    constant,
    leavers,
    levels,
    pause_after,
    poisson,
    ramped,
    ramped_clients,
    resumers,
    slow_readers,
)


def test_constant_arrivals_are_evenly_apart() -> None:
    assert list(itertools.islice(constant(4), 5)) == [0, 0.25, 0.5, 0.75, 1.0]


def test_poisson_arrivals_have_exponential_gaps_and_come_again_with_their_seed() -> None:
    moments = list(itertools.islice(poisson(20, Random(5)), 20_000))
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert statistics.fmean(gaps) == pytest.approx(1 / 20, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 20, rel=0.03)  # for an exponential, as long as the mean
    assert moments == list(itertools.islice(poisson(20, Random(5)), 20_000))
    assert moments[:3] != list(itertools.islice(poisson(20, Random(6)), 3))


def test_bursts_come_together_and_again() -> None:
    assert list(itertools.islice(bursts(3, 5.0), 7)) == [0, 0, 0, 5, 5, 5, 10]


@pytest.mark.parametrize(("first", "last"), [(1.0, 9.0), (0.0, 10.0), (5.0, 5.0), (9.0, 1.0)])
def test_a_ramp_of_arrivals_grows_evenly_and_then_stays(first: float, last: float) -> None:
    moments = list(itertools.islice(ramped(first, last, 10.0), 70))
    assert all(before <= after for before, after in itertools.pairwise(moments))
    # By the half, the area under the first half of the ramp; at the end, all of it.
    assert sum(moment < 5 for moment in moments) == pytest.approx(first * 5 + (last - first) * 1.25, abs=1)
    assert sum(moment < 10 for moment in moments) == pytest.approx((first + last) * 5, abs=1)
    late = [moment for moment in moments if moment >= 10]
    assert late[1] - late[0] == pytest.approx(1 / last)


def test_a_ramp_of_clients_goes_from_the_first_to_the_last() -> None:
    clients = ramped_clients(2, 10, 4.0)
    assert [clients(now) for now in (-1, 0, 1, 2, 3, 4, 99)] == [2, 2, 4, 6, 8, 10, 10]


def test_a_share_of_the_clients_disconnects_within_the_time() -> None:
    choose = leavers(0.3, 2.0, Random(1))
    chosen = [choose() for _ in range(10_000)]
    moments = [each.disconnects_after for each in chosen if each.disconnects_after is not None]
    assert len(moments) == pytest.approx(3000, rel=0.05)
    assert 0 <= min(moments) < 0.01
    assert 1.99 < max(moments) <= 2.0
    assert {each.group for each in chosen} == {"", "leaver"}


def test_a_share_of_the_clients_loses_its_connection_and_comes_back() -> None:
    choose = resumers(0.3, 2.0, 4.0, Random(1), group="blips", most=3)
    chosen = [choose() for _ in range(10_000)]
    losing = [each for each in chosen if each.losses]
    assert len(losing) == pytest.approx(3000, rel=0.05)
    assert {each.group for each in chosen} == {"", "blips"}
    assert {len(each.losses) for each in losing} == {3}
    after, away = zip(*(loss for each in losing for loss in each.losses), strict=True)
    assert 0 <= min(after) < 0.01
    assert 1.99 < max(after) <= 2.0
    assert 0.5 <= min(away) < 0.51
    assert 3.99 < max(away) <= 4.0
    # Another share leaves the others' moments as they are; and who is away for less than the least is so.
    assert resumers(1.0, 2.0, 0.1, Random(1))().losses[0][1] == pytest.approx(0.1)


def test_a_share_of_the_clients_reads_slowly() -> None:
    choose = slow_readers(1.0, 500.0, Random(1))
    assert {choose().read_rate for _ in range(10)} == {500.0}
    assert slow_readers(0.0, 500.0, Random(1))().read_rate is None


def test_a_refused_client_pauses_before_its_next_request() -> None:
    rng = Random(1)
    assert pause_after("success", 0.0, rng) == 0
    assert pause_after("left", 1.5, rng) == 1.5
    pauses = [pause_after("error", 0.0, rng) for _ in range(100)]
    assert min(pauses) >= PAUSE_AFTER_FAILURE / 2
    assert len(set(pauses)) > 90


def test_a_sweep_doubles_up_to_its_end() -> None:
    assert list(levels(20, whole=True)) == [1, 2, 4, 8, 16, 20]
    assert list(levels(1, whole=True)) == [1]
    assert list(levels(2.5, whole=False)) == [1.0, 2.0, 2.5]


class TestKnee:
    """A server that has 16 slots: until then throughput grows, after that only the wait does."""

    def stage(self, level: float, *, whole: float = 1.0, good: float = 1.0, limited: bool = False) -> Stage:
        e2e = max(1.0, level / 16)
        return Stage(level, level / e2e, e2e, whole, good, limited)

    def test_the_knee_is_where_more_load_only_makes_answers_slower(self) -> None:
        stages = [self.stage(level) for level in (1, 2, 4, 8, 16, 32, 64)]
        assert find_knee(stages) == self.stage(16)
        assert find_knee(list(reversed(stages))) == self.stage(16)

    def test_the_knee_is_the_highest_level_within_the_limits_if_there_are_some(self) -> None:
        stages = [self.stage(level, good=1.0 if level <= 32 else 0.5, limited=True) for level in (8, 16, 32, 64)]
        knee = find_knee(stages)
        assert knee is not None
        assert knee.level == 32

    def test_the_knee_is_not_beyond_a_level_that_fails(self) -> None:
        stages = [self.stage(2), self.stage(4, whole=0.9), self.stage(8)]
        assert find_knee(stages) == self.stage(2)
        assert find_knee(stages[1:]) is None

    def test_a_sweep_ends_when_two_levels_are_clearly_past_it(self) -> None:
        stages = [self.stage(level) for level in (1, 2, 4, 8, 16, 32, 64, 128)]
        assert not is_past_knee([])
        assert [is_past_knee(stages[:count]) for count in range(1, 9)] == [False] * 6 + [True] * 2
        assert is_past_knee([self.stage(1), self.stage(2, whole=0.5)])

    def test_the_knee_ignores_a_level_at_which_no_reply_ended(self) -> None:
        silent = Stage(1, 0.0, math.inf, math.nan, math.nan)
        assert not is_past_knee([silent])
        assert find_knee([silent]) is None
        assert find_knee([silent, self.stage(2), self.stage(4)]) == self.stage(4)

    def test_the_knee_is_refined_between_its_neighbours(self) -> None:
        assert between([self.stage(level) for level in (1, 2, 4, 8, 16, 32)]) == [11, 23]
        assert between([self.stage(level) for level in (1, 2)]) == []  # nothing between 1 and 2, nothing above
        assert between([]) == []


class TestDeployment:
    def outcome(self, due: float, status: str, code: str = "") -> Outcome:
        return Outcome(1, due=due, status=status, code=code)  # type: ignore[arg-type]

    def test_the_outage_lasts_from_the_first_failure_to_the_success_that_none_follows(self) -> None:
        deployment = Deployment("TERM", at=5.0)
        outcomes = [
            self.outcome(4.0, "error", "overloaded"),  # before the signal
            self.outcome(5.5, "success"),
            self.outcome(6.0, "error", "shutting_down"),
            self.outcome(6.5, "success"),
            self.outcome(7.0, "error", "connection_refused"),
            self.outcome(8.5, "success"),
        ]
        assert deployment.outage(outcomes) == pytest.approx(2.5)
        assert deployment.outage(outcomes[:2]) == 0
        assert deployment.outage(outcomes[:1]) is None
        assert deployment.outage(outcomes[:5]) is None
        assert deployment.later_failures(outcomes) == {"shutting_down": 1, "connection_refused": 1}

    def test_tells_how_open_requests_ended(self) -> None:
        deployment = Deployment("HUP", at=5.0, open_then=[self.outcome(4, "success")] * 2)
        deployment.open_then.append(self.outcome(4, "error", "shutting_down"))
        assert deployment.fates() == {"whole": 2, "shutting_down": 1}
