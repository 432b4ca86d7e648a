"""Statistics, goodput and what a report makes of outcomes."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest

from tools.loadtest import evaluation
from tools.loadtest.goodput import Limits, read_limits
from tools.loadtest.histogram import Histogram, quantile
from tools.loadtest.measurement import Measurement
from tools.loadtest.outcome import Outcome, Status
from tools.loadtest.resumed import describe_resumed


def whole(number: int = 1, *, due: float = 0.0, ttft: float = 0.1, e2e: float = 1.1, tokens: int = 11) -> Outcome:
    return Outcome(
        number, due=due, status="success", ttft=ttft, e2e=e2e, lasted=e2e, tokens=tokens, characters=tokens * 4,
        arrivals=tokens, gap_total=e2e - ttft, gap_most=0.3, has_usage=True,
    )  # fmt: skip


class TestHistogram:
    def test_quantiles_are_right_to_half_a_per_cent(self) -> None:
        rng = Random(3)
        values = sorted(rng.lognormvariate(-4, 1.5) for _ in range(20_000))
        histogram = Histogram()
        for value in values:
            histogram.record(value)
        for share in (0.01, 0.5, 0.9, 0.99, 0.999):
            exact = values[math.ceil(share * len(values)) - 1]
            assert histogram.quantile(share) == pytest.approx(exact, rel=0.0051)
        assert histogram.mean == pytest.approx(statistics.fmean(values))
        assert (histogram.least, histogram.most) == (values[0], values[-1])

    def test_a_quantile_lies_within_the_recorded_values(self) -> None:
        histogram = Histogram()
        for value in (0.0, 1e-9, 0.02, 1e9):
            histogram.record(value)
        assert histogram.quantile(0) == pytest.approx(0, abs=2e-6)
        assert histogram.quantile(0.6) == pytest.approx(0.02, rel=0.0051)
        assert histogram.quantile(1) <= 1e9

    def test_a_quantile_of_nothing_is_nan(self) -> None:
        assert math.isnan(Histogram().mean)
        assert math.isnan(Histogram().quantile(0.5))

    def test_merged_histograms_equal_one_that_recorded_everything(self) -> None:
        one, other, both = Histogram(), Histogram(), Histogram()
        for number in range(1, 200):
            (one if number % 3 else other).record(number / 100)
            both.record(number / 100)
        merged = Histogram().merge([one, other])
        assert [merged.quantile(share) for share in (0.1, 0.5, 0.99)] == [
            both.quantile(share) for share in (0.1, 0.5, 0.99)
        ]
        assert merged.count == both.count
        assert merged.total == pytest.approx(both.total)


def test_quantile_of_sorted_values_lies_between_neighbours() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert quantile([1.0, 2.0, 3.0, 4.0], 1.0) == 4.0
    assert quantile([7.0], 0.99) == 7.0
    assert math.isnan(quantile([], 0.5))


class TestGoodput:
    def test_a_good_reply_keeps_every_limit(self) -> None:
        reply = whole()  # ttft 100 ms, ten gaps of 100 ms, the longest 300 ms, e2e 1100 ms
        assert read_limits(["ttft:100", "itl:101", "gap:300", "tpot:101", "e2e:1100"]).are_kept(reply)
        for text in ("ttft:99", "itl:99", "gap:299", "tpot:99", "e2e:1099"):
            assert not read_limits([text]).are_kept(reply)

    def test_what_a_reply_does_not_have_is_not_over_its_limit(self) -> None:
        assert read_limits(["itl:1", "tpot:1"]).are_kept(Outcome(1, status="success", ttft=0.1, e2e=0.1, tokens=1))

    @pytest.mark.parametrize("status", ["error", "incomplete", "left", "unfinished"])
    def test_only_complete_replies_are_good(self, status: Status) -> None:
        assert not Limits({}).are_kept(Outcome(1, status=status))

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("ttft", "such as ttft:500"),
            ("ttff:500", "did you mean ttft:500"),
            ("ttft:fast", "milliseconds above 0"),
            ("itl:0", "milliseconds above 0"),
            ("itl:nan", "milliseconds above 0"),
            ("e2e:inf", "milliseconds above 0"),
        ],
    )
    def test_a_bad_limit_is_answered_with_what_would_be_right(self, text: str, says: str) -> None:
        with pytest.raises(ValueError, match=says):
            read_limits([text])

    def test_one_limit_for_each(self) -> None:
        with pytest.raises(ValueError, match="one limit, not two"):
            read_limits(["e2e:1", "e2el:2"])


class TestResult:
    def measured(self) -> Measurement:
        measurement = Measurement(warm_up=1.0)
        outcomes = [
            whole(1, due=0.5),  # asked in the warm-up, ends in the window
            whole(2, due=1.0),
            whole(3, due=2.0, ttft=0.7),
            whole(4, due=4.5),  # ends after the window
            Outcome(5, due=1.5, status="error", code="overloaded", lasted=0.1),
            Outcome(6, due=1.6, status="incomplete", code="cut_off", lasted=0.1),
            Outcome(7, due=1.7, status="left", lasted=0.1),
            Outcome(8, due=1.8, status="unfinished", lasted=0.1),
        ]
        for outcome in outcomes:
            outcome.counted = outcome.due >= measurement.warm_up
            measurement.request_began(outcome.due)
            measurement.text_came(outcome.due + 0.6, outcome.characters)
            measurement.request_ended(outcome, outcome.due + outcome.lasted)
        measurement.close_window(5.0)
        return measurement

    def test_requests_count_by_when_they_were_due(self) -> None:
        requests = evaluation.count_requests(self.measured())
        assert (requests.success, requests.error, requests.incomplete) == (3, 1, 1)
        assert (requests.left, requests.unfinished, requests.in_warm_up) == (1, 1, 1)
        assert (requests.counted, requests.judged) == (7, 5)

    def test_throughput_counts_by_when_things_arrive(self) -> None:
        throughput = evaluation.throughput(self.measured())
        assert throughput.requests_per_second == pytest.approx(3 / 4)
        assert throughput.tokens_per_second == pytest.approx(44 / 4)

    def test_goodput_excludes_replies_that_the_client_ended(self) -> None:
        goodput = evaluation.goodput(self.measured(), Limits({"ttft": 500}))
        assert goodput.good == 2
        assert goodput.share == pytest.approx(2 / 5)
        assert goodput.requests_per_second == pytest.approx(2 / 4)

    def test_failures_by_code(self) -> None:
        codes = evaluation.count_codes(self.measured().outcomes)
        assert codes == {"error": {"overloaded": 1}, "incomplete": {"cut_off": 1}}

    def test_times_are_those_of_whole_replies(self) -> None:
        measurement = self.measured()
        found = evaluation.latencies([each for each in measurement.outcomes if each.counted], Histogram())
        assert found["ttft"].count == 3
        assert found["ttft"].p50 == pytest.approx(100)
        assert found["ttft"].most == pytest.approx(700)
        assert found["tpot"].p50 == pytest.approx(100)
        assert "itl" not in found

    def test_the_timeline_puts_everything_in_its_second(self) -> None:
        bins = evaluation.timeline(self.measured())
        assert [bin_.started for bin_ in bins] == [1, 5, 1, 0, 1, 0]
        assert [bin_.success for bin_ in bins] == [0, 1, 1, 1, 0, 1]
        assert [bin_.failed for bin_ in bins] == [0, 2, 0, 0, 0, 0]

    def test_how_long_a_model_call_outlived_its_client(self) -> None:
        left = {1: 10.0, 2: 10.0, 3: 10.0, 4: 10.0}
        calls = [(1, 9.0, 10.25, False), (2, 9.0, 9.5, True), (3, 9.0, 9.1, False), (3, 9.2, 12.0, True)]
        found = evaluation.outlived(left, [*calls, (99, 9.0, 20.0, True)])
        assert (found.left, found.never_called, found.ended_before, found.ended_whole) == (4, 1, 1, 1)
        assert found.milliseconds is not None
        assert found.milliseconds.count == 2
        assert found.milliseconds.most == pytest.approx(2000)
        assert found.milliseconds.mean == pytest.approx(1125)

    def test_replies_that_were_read_on_are_told_with_the_calls_that_went_on_after_their_end(self) -> None:
        outcomes = [
            whole(1),
            Outcome(2, status="success", returns=2, caught_up=[0.1, 0.3]),
            Outcome(3, status="error", code="overloaded", returns=1, duplicates=1, missing=2, caught_up=[0.2]),
            # It does not speak about the server.
            Outcome(4, status="unfinished", returns=1, caught_up=[9.0]),
            Outcome(5, status="success", returns=1, counted=False),
        ]
        calls = [(1, 0.0, 9.0, True), (2, 0.0, 9.5, True), (2, 0.0, 12.0, True), (4, 0.0, 11.0, False)]
        found = describe_resumed(outcomes, {1: 10.0, 2: 10.0, 4: 10.5}, 1, calls)
        assert (found.replies, found.returns, found.not_whole, found.duplicates, found.missing) == (2, 3, 1, 1, 2)
        assert found.caught_up_ms is not None
        assert (found.caught_up_ms.p50, found.caught_up_ms.most) == (pytest.approx(200), pytest.approx(300))
        assert (found.orphaned_calls, found.orphaned_seconds, found.extra_calls) == (2, pytest.approx(2.5), 1)
        elsewhere = describe_resumed(outcomes, {}, 0, None)
        assert (elsewhere.missing, elsewhere.orphaned_seconds) == (None, None)

    def test_of_many_replies_a_thousand_and_every_failure_are_listed(self) -> None:
        measurement = Measurement()
        measurement.outcomes = [whole(number, due=number / 100) for number in range(5000)]
        measurement.outcomes.insert(77, Outcome(9999, due=0.77, status="error", code="overloaded", lasted=0.003))
        told = evaluation.replies(measurement)
        assert len(told) == 1001
        assert [each.at for each in told] == sorted(each.at for each in told)
        assert told[-1].at > 49
        assert [(each.code, each.lasted_ms, each.ttft_ms) for each in told if each.code] == [
            ("overloaded", 3.0, None)
        ]

    def test_busy_is_what_was_used_until_the_load_ended(self) -> None:
        used = {"client": 1.0, "server": 10.0}
        measurement = Measurement(meter=lambda: dict(used))
        used |= {"client": 1.5, "server": 14.0}
        measurement.close_window(5.0)
        used |= {"client": 90.0, "server": 90.0}
        measurement.close_window(50.0)  # only the first one counts
        busy = evaluation.busy(measurement)
        assert (busy.client_cpu, busy.server_cpu, busy.model_cpu) == (0.1, 0.8, None)
