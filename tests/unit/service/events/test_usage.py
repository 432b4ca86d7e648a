"""What an answer cost, where nobody counted."""

from __future__ import annotations

import pytest

from sluice.service.events.usage import Usage, estimate_usage, sum_usages, usage_from


def test_an_estimate_counts_at_least_the_pieces_that_came() -> None:
    assert estimate_usage(["abcd" * 10], chunk_count=30, completion_bytes=40) == Usage(14, 30, 44, estimated=True)


def test_an_estimate_goes_by_size_where_pieces_are_long() -> None:
    assert estimate_usage([], chunk_count=1, completion_bytes=4000).completion_tokens == 1000


def test_chinese_counts_about_a_token_a_character() -> None:
    usage = estimate_usage(["水闸控制水流" * 10], chunk_count=0, completion_bytes=0)
    assert 40 <= usage.prompt_tokens <= 60


def test_costs_are_summed_without_the_noise_of_floats_and_stay_unknown_where_none_is_known() -> None:
    assert sum_usages([Usage(1, 0, 1, cost=0.1), Usage(1, 0, 1, cost=0.2)]) == Usage(2, 0, 2, cost=0.3)
    assert sum_usages([Usage(1, 0, 1), Usage(1, 0, 1)]) == Usage(2, 0, 2)


def test_only_an_estimate_is_marked_as_one() -> None:
    assert Usage(1, 2, 3).fields() == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert Usage(1, 2, 3, estimated=True).fields()["estimated"] is True


def test_a_cost_and_cached_tokens_are_on_the_wire_where_there_are_any() -> None:
    fields = Usage(1, 2, 3, cost=0.0, cached_tokens=1).fields()
    assert (fields["cost"], fields["cached_tokens"]) == (0.0, 1)


@pytest.mark.parametrize(
    ("reported", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 5}}, 5),
        ({"input_tokens_details": {"cached_tokens": 5}}, 5),
        ({"prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 4}, 5),
        ({"cached_tokens": 5}, 5),
        ({"prompt_tokens_details": None, "cached_tokens": "many"}, 0),
        ({"prompt_tokens_details": {"cached_tokens": -5}}, 0),
    ],
)
def test_cached_tokens_are_read_under_the_names_of_each_provider(reported: dict[str, object], cached: int) -> None:
    assert usage_from({"prompt_tokens": 9, "completion_tokens": 2, **reported}) == Usage(
        9, 2, 11, cached_tokens=cached
    )
