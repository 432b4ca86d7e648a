"""What an answer cost, where nobody counted."""

from __future__ import annotations

from sluice.service.events.usage import Usage, estimate_usage


def test_an_estimate_counts_at_least_the_pieces_that_came() -> None:
    assert estimate_usage(["abcd" * 10], chunk_count=30, completion_bytes=40) == Usage(14, 30, 44, estimated=True)


def test_an_estimate_goes_by_size_where_pieces_are_long() -> None:
    assert estimate_usage([], chunk_count=1, completion_bytes=4000).completion_tokens == 1000


def test_chinese_counts_about_a_token_a_character() -> None:
    usage = estimate_usage(["水闸控制水流" * 10], chunk_count=0, completion_bytes=0)
    assert 40 <= usage.prompt_tokens <= 60


def test_only_an_estimate_is_marked_as_one() -> None:
    assert Usage(1, 2, 3).fields() == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert Usage(1, 2, 3, estimated=True).fields()["estimated"] is True
