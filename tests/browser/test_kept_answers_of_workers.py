"""Answers on a server with several processes: killed, restarted, and with pages that are reloaded at any moment."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.running_server import RunningServer, cleared_model, start_server
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS

SEED = 15


@pytest.fixture(scope="module")
def shared_workers() -> Iterator[RunningServer]:
    """A server with two workers and one store."""
    with start_server(WEB_CONCURRENCY=2, OPENAI_INTERACTION_MODE="stream", SLUICE_DRAIN_TIMEOUT=0.5) as shared:
        yield shared


@pytest.fixture
def workers(shared_workers: RunningServer) -> Iterator[RunningServer]:
    """Return the server, with its model reset."""
    with cleared_model(shared_workers, keeps_answers=True):
        yield shared_workers


@pytest.fixture
def chat(browser: Browser, workers: RunningServer, browser_errors: BrowserErrors) -> Iterator[ChatPage]:
    """Return the open page."""
    browser_errors.expect("ERR_")  # each broken connection
    with open_context(browser, base_url=workers.url, **CONTEXT_OPTIONS) as context:
        browser_errors.listen(context, workers.url)
        yield ChatPage(context.new_page()).open()
    assert browser_errors.unexpected == []


def worker_with_the_model(server: GunicornServer, model: ScriptedModel) -> int:
    """Return the process id of the worker that has a connection to the model."""
    port = f"{int(re.findall(r':([0-9]+)/', model.base_url)[0]):04X}"
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port}") and line[3] == "01"}

    def holds(pid: int) -> bool:
        return any(os.readlink(each) in sockets for each in Path(f"/proc/{pid}/fd").iterdir())

    return next(pid for pid in server.worker_pids() if holds(pid))


def test_a_killed_worker_leaves_the_text_that_came_and_the_answer_can_be_continued(
    chat: ChatPage, workers: RunningServer
) -> None:
    model = workers.model
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    os.kill(worker_with_the_model(workers.server, model), signal.SIGKILL)
    expect(chat.failure).to_contain_text("The server stopped before this answer was complete.", timeout=20_000)
    expect(chat.prose).to_have_text("As far as this")
    model.enqueue(reply(" and on."))
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("As far as this and on.")


def test_an_answer_goes_on_on_the_other_worker_and_is_stopped_from_there(
    chat: ChatPage, workers: RunningServer
) -> None:
    gates = [workers.model.gate(str(number)) for number in range(8)]
    script = [step for number, gate in enumerate(gates) for step in (*said(f" {number}"), gate)]
    workers.model.enqueue((*script, *finished()))
    chat.ask("Count")
    expect(chat.prose).to_have_text("0")
    for number, gate in enumerate(gates[:-1]):
        chat.page.reload()  # each connection may reach either worker
        gate.open()
        expect(chat.prose).to_have_text(" ".join(map(str, range(number + 2))))
    chat.send_button.click()
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")
    workers.model.wait_idle()
    assert len(workers.model.exchanges) == 1


def test_a_deployment_offers_to_continue_the_answer(chat: ChatPage, workers: RunningServer) -> None:
    workers.model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    old = workers.server.worker_pids()
    workers.server.signal(signal.SIGHUP)
    workers.server.wait_workers(2, without=old)
    expect(chat.failure).to_contain_text("The server stopped before this answer was complete.")
    expect(chat.prose).to_have_text("As far as this")
    workers.model.enqueue(reply(" and on."))
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("As far as this and on.")


@pytest.mark.parametrize("answers", [5, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_answers_are_whole_and_asked_once_though_the_page_is_reloaded_at_random(
    chat: ChatPage, workers: RunningServer, answers: int
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    words = [f" {number}" for number in range(60)]
    whole = "".join(words).strip()
    workers.model.default = reply(*words, delay=0.02)
    for asked in range(1, answers + 1):
        chat.ask(f"Count, for the {asked}. time")
        for _ in range(chance.randint(1, 4)):
            chat.page.wait_for_timeout(chance.choice([0, 0, 50, chance.randint(0, 1200)]))
            chat.page.reload()
        expect(chat.answers).to_have_count(asked)
        expect(chat.send_button).to_have_text("Send")
        expect(chat.failure).to_have_count(0)
        chat.wait_shown()
        assert chat.answers.locator("> .prose").all_inner_texts() == [whole] * asked
        assert len(workers.model.exchanges) == asked
