"""What a run says of itself at its end: its usage, and its cost where there is a price."""

from __future__ import annotations

from sluice.service.chat import Chat, CurrentChat
from sluice.service.errors import UpstreamTruncated
from sluice.service.events.events import Failed, Finished, Text
from sluice.service.events.usage import Usage
from sluice.service.message import Message
from sluice.service.runs.figures import RunFigures
from sluice.service.settings.providers import Price

CHAT = Chat([Message(role="user", content="abcd" * 4)], "m")
PRICE = Price(1.0, 10.0, None, "USD")


def test_the_end_and_the_usage_have_the_cost_by_the_price_of_the_provider_that_was_asked() -> None:
    current = CurrentChat(CHAT)
    figures = RunFigures(current)
    current.price = PRICE
    assert figures.record([Finished("stop", Usage(100, 10, 110))]) == [
        Finished("stop", Usage(100, 10, 110, cost=0.0002))
    ]
    assert figures.usage.cost == 0.0002


def test_what_came_before_a_failure_has_an_estimated_cost() -> None:
    figures = RunFigures(CurrentChat(CHAT, price=PRICE))
    figures.record([Text("Hello"), Failed(UpstreamTruncated("broken"))])
    assert figures.usage == Usage(8, 1, 9, estimated=True, cost=0.000018)


def test_without_a_price_there_is_no_cost() -> None:
    figures = RunFigures(CurrentChat(CHAT))
    figures.record([Finished("stop", Usage(100, 10, 110))])
    assert figures.usage.cost is None
