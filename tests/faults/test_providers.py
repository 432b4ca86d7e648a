"""Row 37, and rows 13, 14, 19 and 20: providers as they are. Each scenario of the table, in both modes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from sluice.web.api.error_replies import STATUSES
from tests.support.fault_server import FaultServer
from tests.support.provider_scenarios import SCENARIOS, Scenario
from tools.common.raw_client import post_chat, stream_chat
from tools.common.scripted_model import Wire

# So many at one time: some of them take seconds, and all of them one after the other would take a minute.
AT_ONCE = 8
# A thread may still be about to end with one reply when the next one is asked for.
SERVER_SETTINGS = {"warm": 3 * AT_ONCE}
_STATUS = {kind.code: status for kind, status in STATUSES.items()}


@dataclass(frozen=True)
class PlayTheScenarioThatIsAskedFor:
    """A step: the scenario whose name is the message."""

    async def play(self, wire: Wire) -> None:
        for step in SCENARIOS[wire.exchange.body["messages"][-1]["content"]].script():
            await step.play(wire)


@dataclass
class Seen:
    """What a client got."""

    text: str = ""
    reasoning: str = ""
    code: str = ""
    finish_reason: str = ""
    usage: tuple[int, int, int] | None = None


def counted(usage: dict[str, int]) -> tuple[int, int, int] | None:
    """Return the provider's counts, or `None` where they are estimated."""
    if usage.get("estimated"):
        return None
    return usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]


def expected(scenario: Scenario) -> Seen:
    reason = "" if scenario.code else scenario.finish_reason
    return Seen(scenario.text, scenario.reasoning, scenario.code, reason, scenario.usage)


def in_a_stream(url: str, name: str) -> Seen:
    """Ask for a stream and read it to its end."""
    seen = Seen()
    with stream_chat(url, message=name) as client:
        if client.status != 200:
            code = json.loads(client.read_body())["code"]
            assert client.status == _STATUS[code]
            return Seen(code=code)
        for frame in client.frames():
            seen.text += frame.message
            seen.reasoning += frame.reasoning
            if frame.is_error:
                seen.code = frame.payload["code"]
            elif frame.is_done:
                seen.finish_reason = frame.payload["finish_reason"]
                seen.usage = counted(frame.payload["usage"])
    return seen


def in_a_block(url: str, name: str) -> Seen:
    """Ask for the answer as one JSON. A failure has no text."""
    reply = post_chat(url, message=name, interaction_mode="block")
    fields = reply.json()
    if not fields["success"]:
        assert reply.status == _STATUS[fields["code"]]
        return replace(expected(SCENARIOS[name]), code=fields["code"])
    return Seen(fields["message"], fields.get("reasoning", ""), "", fields["finish_reason"], counted(fields["usage"]))


def test_every_recorded_provider_scenario_gives_its_answer_or_its_failure(
    running_server: FaultServer,
) -> None:
    running_server.model.default = (PlayTheScenarioThatIsAskedFor(),)
    asked = [(mode, name) for name in SCENARIOS for mode in (in_a_stream, in_a_block)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda each: each[0](running_server.url, each[1]), asked))
    wrong = {
        f"{mode.__name__}: {name}": (seen, expected(SCENARIOS[name]))
        for (mode, name), seen in zip(asked, replies, strict=True)
        if seen != expected(SCENARIOS[name])
    }
    assert wrong == {}
    assert len(running_server.model.exchanges) == len(asked)
