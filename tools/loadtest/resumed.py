"""What became of replies whose clients lost their connection and read on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .evaluation import figures
from .outcome import Outcome
from .result import Resumed


def describe_resumed(
    outcomes: Sequence[Outcome], ends: Mapping[int, float], stopped: int, calls: Sequence[Sequence[Any]] | None
) -> Resumed:
    """Describe the replies of clients that came back.

    Args:
        outcomes: All outcomes.
        ends: When each reply had ended for its client, or was stopped, by request number, by `time.monotonic`.
        stopped: How many replies were stopped at the end of the test.
        calls: Of each call of our own model: request number, when it began and ended, whether it was whole. None of
            another model.
    """
    returned = [each for each in outcomes if each.counted and each.returns]
    judged = [each for each in returned if each.status in ("success", "incomplete", "error")]
    described = Resumed(
        replies=len(judged),
        returns=sum(each.returns for each in judged),
        not_whole=sum(each.status != "success" for each in judged),
        duplicates=sum(each.duplicates for each in judged),
        caught_up_ms=figures([seconds for each in judged for seconds in each.caught_up]),
        stopped=stopped,
    )
    if calls is None:
        return described
    described.missing = sum(each.missing for each in judged)
    longer = [max(0.0, ended - ends[number]) for number, _, ended, _ in calls if number in ends]
    described.orphaned_calls = sum(seconds > 0 for seconds in longer)
    described.orphaned_seconds = sum(longer)
    numbers = {number for number, *_ in calls}
    described.extra_calls = sum(1 for number, *_ in calls if number in ends) - len(numbers & ends.keys())
    return described
