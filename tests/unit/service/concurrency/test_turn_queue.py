"""Work in turns: in order, for a bounded time in each turn, and everybody has theirs."""

from __future__ import annotations

import asyncio
import time

import pytest

from sluice.service.concurrency import turn_queue
from sluice.service.concurrency.turn_queue import TurnQueue
from tests.support.scenario import run


def test_parts_are_done_in_order_and_not_before_the_next_turn() -> None:
    async def scenario() -> None:
        done: list[int] = []
        turns = TurnQueue(asyncio.get_running_loop())
        for number in range(3):
            turns.add(lambda number=number: done.append(number))  # type: ignore[misc]
        assert done == []
        await asyncio.sleep(0)
        assert done == [0, 1, 2]

    run(scenario)


def test_a_turn_ends_when_its_time_is_over_and_others_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        at: list[float] = [0.0]
        monkeypatch.setattr(turn_queue, "monotonic", lambda: at[0])
        done: list[str] = []
        turns = TurnQueue(asyncio.get_running_loop())

        def part(name: str, seconds: float) -> None:
            done.append(name)
            at[0] += seconds

        for name in "abc":
            turns.add(lambda name=name: part(name, turn_queue.TURN * 0.6))  # type: ignore[misc]
        await asyncio.sleep(0)
        assert done == ["a", "b"]
        asyncio.get_running_loop().call_soon(part, "another", 0.0)
        await asyncio.sleep(0)
        assert done == ["a", "b", "c", "another"]

    run(scenario)


def test_a_part_that_adds_the_next_one_puts_it_at_the_end_of_the_queue() -> None:
    async def scenario() -> None:
        done: list[str] = []
        turns = TurnQueue(asyncio.get_running_loop())

        def much(left: int) -> None:
            done.append("much")
            if left:
                turns.add(lambda: much(left - 1))

        turns.add(lambda: much(3))
        turns.add(lambda: done.append("little"))
        while len(done) < 5:
            await asyncio.sleep(0)
        assert done[1] == "little"

    run(scenario)


def test_a_part_that_fails_goes_to_the_loop_and_the_others_have_their_turn() -> None:
    async def scenario() -> None:
        failures: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(str(context["exception"])))
        done = asyncio.Event()
        turns = TurnQueue(loop)

        def fail() -> None:
            raise LookupError("a defect")

        turns.add(fail)
        turns.add(done.set)
        await done.wait()
        assert failures == ["a defect"]

    run(scenario)


def test_the_loop_turns_while_there_is_work_without_end() -> None:
    async def scenario() -> None:
        turns = TurnQueue(asyncio.get_running_loop())
        goes_on = True

        def busy() -> None:
            until = time.monotonic() + turn_queue.TURN / 4
            while time.monotonic() < until:
                pass
            if goes_on:
                turns.add(busy)

        turns.add(busy)
        for _ in range(10):
            await asyncio.sleep(0.001)
        goes_on = False

    run(scenario)
