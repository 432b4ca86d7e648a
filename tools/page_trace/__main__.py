"""Measure whether a long answer leaves the page responsive: `python -m tools.page_trace`.

A real Chromium reads answers from a real gunicorn, whose model writes at a pace, and records a trace of its own
(`Tracing` of the DevTools protocol). From the trace's main thread of the page, over the time of the answer:

- **tasks**: every task of the thread. Most are tiny, so that their p95 says little.
- **frames**: the tasks that ran an animation frame. They hold all work on the answer: reading Markdown, changing the
  page, style, layout, painting. These are the ones to look at; p50, p95 and the longest are of these.
- **over 50 ms**: how many tasks, of any kind, were what browsers call long; and the longest of them.

`wall` is what a reader feels, on this machine with whatever else it does; `cpu` is the thread's own time in the same
tasks, which other programs do not lengthen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from playwright.sync_api import Browser, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import chromium
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, Chunk, Headers, ScriptedModel, Wire, finished

from .long_answers import SHAPES

CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
TOKEN_CHARS = 4
TICK = 0.005  # seconds between writes: several tokens leave together, as from a fast model
LONG_MS = 50  # what browsers call a long task


@dataclass(frozen=True, slots=True)
class Recite:
    """A step that writes a text as tokens, at a pace that is kept by the clock."""

    text: str
    tokens_per_second: float

    async def play(self, wire: Wire) -> None:
        """Write it; see `Step.play`."""
        tokens = [self.text[start : start + TOKEN_CHARS] for start in range(0, len(self.text), TOKEN_CHARS)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = 0
        while sent < len(tokens):
            due = min(len(tokens), int((loop.time() - began) * self.tokens_per_second) + 1)
            await wire.send_body(b"".join(Chunk(token).encode() for token in tokens[sent:due]), tokens=due - sent)
            sent = due
            await asyncio.sleep(TICK)


@dataclass(frozen=True)
class Task:
    """One task of the page's main thread, in milliseconds."""

    wall: float
    cpu: float
    is_frame: bool


def main_tasks(events: list[dict[str, Any]]) -> Iterator[Task]:
    """Find the tasks of the page's main thread, which is the one that ran the most animation frames."""
    frames: dict[tuple[int, int], list[float]] = {}
    for event in events:
        if event["name"] == "FireAnimationFrame":
            frames.setdefault((event["pid"], event["tid"]), []).append(event["ts"])
    thread = max(frames, key=lambda each: len(frames[each]))
    starts = sorted(frames[thread])
    runs = [event for event in events if event["name"].endswith("RunTask") and event["ph"] == "X"]
    # both categories record the same tasks, under two names; one of them is enough
    name = next(event["name"] for event in runs if (event["pid"], event["tid"]) == thread)
    position = 0
    for event in sorted(runs, key=lambda each: float(each["ts"])):
        if (event["pid"], event["tid"]) != thread or event["name"] != name:
            continue
        while position < len(starts) and starts[position] < event["ts"]:
            position += 1
        is_frame = position < len(starts) and starts[position] <= event["ts"] + event.get("dur", 0)
        yield Task(event.get("dur", 0) / 1000, event.get("tdur", 0) / 1000, is_frame)


def record(browser: Browser, url: str, model: ScriptedModel, text: str, pace: float) -> list[Task]:
    """Have the model write a text, and return the tasks of the page that shows it."""
    model.enqueue((Headers(), Chunk("", role="assistant"), Recite(text, pace), *finished()))
    with browser.new_context(base_url=url, locale="en-GB", viewport={"width": 1100, "height": 800}) as context:
        page = context.new_page()
        chat = ChatPage(page).open()
        browser.start_tracing(page=page, categories=CATEGORIES)
        chat.ask("Write at length")
        expect(chat.answers).to_have_count(1)
        expect(chat.status).to_have_text("Answer complete", timeout=len(text) / TOKEN_CHARS / pace * 4000 + 60_000)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        events = json.loads(browser.stop_tracing())["traceEvents"]
    return list(main_tasks(events))


def percentile(values: list[float], percent: int) -> float:
    """The value that so many per cent of them do not exceed."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


def row(name: str, tasks: list[Task]) -> str:
    """A row of the table."""
    frames = [task for task in tasks if task.is_frame]
    cells = [name, str(len(tasks)), str(len(frames))]
    for values in ([task.wall for task in frames], [task.cpu for task in frames]):
        cells += [f"{percentile(values, 50):.1f}", f"{percentile(values, 95):.1f}", f"{max(values):.1f}"]
    cells += [str(sum(task.wall > LONG_MS for task in tasks)), str(sum(task.cpu > LONG_MS for task in tasks))]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure each shape and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chars", type=int, default=200_000)
    parser.add_argument("--tokens-per-second", type=float, default=2_000)
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    options = parser.parse_args()
    pace = options.tokens_per_second
    print(f"{options.chars} characters, {TOKEN_CHARS} to a token, {pace:g} tokens/s; milliseconds\n")
    print("| Answer | tasks | frames | wall p50 | wall p95 | wall max | cpu p50 | cpu p95 | cpu max", end="")
    print(" | tasks over 50 ms, wall | cpu |\n|---" + "|--:" * 10 + "|")
    with ScriptedModel() as model, chromium() as browser:
        env = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": MODEL_NAME}
        with GunicornServer(env) as server:
            for name in options.shapes:
                text = SHAPES[name](options.chars)
                print(row(name, record(browser, server.url, model, text, pace)), flush=True)


if __name__ == "__main__":
    main()
