"""A real language model behind Sluice: llama.cpp's server with SmolLM2-135M, as `run --model local` starts it."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.service.local_model.packages import LocalModelError, install_packages, packages_folder
from sluice.service.local_model.process import SLOTS, LocalModel
from sluice.web.cli.run_command import environment_of
from tests.support.polling import wait_until
from tools.common.gunicorn_server import POLL_INTERVAL, REPOSITORY, GunicornServer
from tools.common.raw_client import fetch, post_chat, stream_chat

WITHIN = 5.0
# Tokens of a conversation. Small, so that an answer that does not end by itself ends soon.
CONTEXT = 256
# llama.cpp's level with a line for each request.
EVERY_REQUEST = 3
APPLICATION = """
from flask import Flask
from sluice import Sluice

app = Flask(__name__)
sluice = Sluice(app, url_prefix="/", operations=True)

@sluice.prepare
def prepare(chat):
    # A field of llama.cpp's own: the model may not end the answer. Without it the likeliest tokens are taken: others
    # may spell a word in an unusual way, which the count of a text's tokens would not show.
    is_long = "long story" in chat.messages[-1]["content"]
    return chat.replace(extra={"ignore_eos": True} if is_long else {"temperature": 0})
"""
LONG = "Write a long story about a whale, a lighthouse and the sea. Then write a second one."

pytestmark = pytest.mark.timeout(180)  # the first time, the packages are fetched


@dataclass
class Real:
    """The server, the model behind it, and the model's log."""

    server: GunicornServer
    model: LocalModel
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="backslashreplace")

    def ask_model(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask llama.cpp itself, past Sluice."""
        request = urllib.request.Request(
            self.model.base_url.removesuffix("/v1") + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.model.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=WITHIN) as reply:
            return json.load(reply)

    def count_busy(self) -> int:
        """Return how many answers llama.cpp works on."""
        return sum(slot["is_processing"] for slot in self.ask_model("/slots"))

    def tokens(self, text: str, *, special: bool) -> int:
        fields = {"content": text, "parse_special": special, "add_special": False}
        return len(self.ask_model("/tokenize", fields)["tokens"])


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of the packages, which are installed if they are not there."""
    try:
        folder = packages_folder(os.environ)
        install_packages(folder, os.environ, print)
    except LocalModelError as error:
        pytest.skip(f"no real model: {error}")
    return folder


@pytest.fixture(scope="module")
def real(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """A server that asks the real model; both with the limits of these tests."""
    folder = tmp_path_factory.mktemp("llama")
    file = folder / "log"
    (folder / "application.py").write_text(APPLICATION)
    with (
        file.open("wb") as log,
        LocalModel(packages, context=CONTEXT, verbosity=EVERY_REQUEST, log=log) as model,
        GunicornServer(
            {**environment_of(model), "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])},
            app="application:app",
        ) as server,
    ):
        yield Real(server, model, file)


def test_the_usage_is_the_models_own_count_of_its_own_tokens(real: Real) -> None:
    question = "Say hello to Zoë 🙂 in one short sentence."
    with stream_chat(real.server.url, message=question) as client:
        text, terminal = client.read_stream()
    assert terminal.is_done
    assert terminal.payload["finish_reason"] == "stop"
    prompt = real.ask_model("/apply-template", {"messages": [{"role": "user", "content": question}]})["prompt"]
    usage = terminal.payload["usage"]
    # The model's last token ends the answer, and has no text.
    assert usage == {
        **usage,
        "prompt_tokens": real.tokens(prompt, special=True),
        "completion_tokens": real.tokens(text, special=False) + 1,
        "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
    }
    real.server.wait_for_log(rf"outcome=done .*completion_tokens={usage['completion_tokens']} estimated=no")


def test_both_modes_answer_and_remember_the_conversation(real: Real) -> None:
    history = [{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hello Ada."}]
    reply = post_chat(real.server.url, message="Say hello.", conversation_history=history, timeout=20.0)
    assert reply.status == 200
    assert reply.json()["message"]
    assert reply.json()["usage"]["prompt_tokens"] > 30


def test_a_disconnect_ends_the_models_work_at_once(real: Real) -> None:
    before = real.log.count("cancel task")
    with stream_chat(real.server.url, message=LONG) as client:
        client.next_event()
        assert real.count_busy() == 1
    wait_until(lambda: real.count_busy() == 0, WITHIN, "the slot is free", pause=POLL_INTERVAL)
    wait_until(lambda: real.log.count("cancel task") == before + 1, WITHIN, "llama.cpp logs the cancellation")


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_a_prompt_beyond_the_models_context_is_told_as_such_and_not_repeated(real: Real, mode: str) -> None:
    reply = post_chat(real.server.url, message="word " * CONTEXT * 2, interaction_mode=mode)
    assert (reply.status, reply.json()["code"]) == (400, "context_length_exceeded")
    assert real.count_busy() == 0


def test_an_answer_that_fills_the_context_ends_with_the_reason_length(real: Real) -> None:
    # It leaves about 70 tokens for the answer.
    with stream_chat(real.server.url, message="whale " * (CONTEXT - 130) + LONG, timeout=20.0) as client:
        text, terminal = client.read_stream()
    assert text
    assert terminal.payload["finish_reason"] == "length"
    assert terminal.payload["usage"]["total_tokens"] == CONTEXT


def test_four_answers_come_at_once_and_a_fifth_waits_for_a_slot(real: Real) -> None:
    with ExitStack() as open_streams:
        clients = [open_streams.enter_context(stream_chat(real.server.url, message=LONG)) for _ in range(SLOTS)]
        for client in clients:
            assert client.next_event().message
        assert real.count_busy() == SLOTS
        fifth = open_streams.enter_context(stream_chat(real.server.url, message="Say hello."))
        clients[0].close()
        assert fifth.next_event().message
    wait_until(lambda: real.count_busy() == 0, WITHIN, "all slots are free", pause=POLL_INTERVAL)
    with ThreadPoolExecutor(SLOTS) as pool:
        replies = list(
            pool.map(lambda _: post_chat(real.server.url, message="Say hello.", timeout=30.0), range(SLOTS))
        )
    assert [reply.status for reply in replies] == [200] * SLOTS


def test_the_model_is_only_on_loopback_and_asks_for_its_key(real: Real) -> None:
    assert real.model.base_url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{real.model.base_url}/chat/completions", data=b"{}", timeout=WITHIN)


def test_the_command_serves_starts_a_lost_model_again_and_ends_with_it(packages: Path) -> None:
    command = ("python", "-m", "sluice", "run", "--model", "local", "--port", "{port}")
    environment = {"PYTHONPATH": REPOSITORY, "XDG_CACHE_HOME": packages.parents[1]}
    with GunicornServer(environment, command=command) as server:
        assert fetch(server.url, "/api/config").json()["model"] == "SmolLM2-135M-Instruct"
        lost = model_pid(server)
        os.kill(lost, signal.SIGKILL)
        server.wait_for_log("has ended .* and is started again\n(.*\n)*.* runs again")
        assert model_pid(server) not in (0, lost)
        reply = post_chat(server.url, message="Say hello.", timeout=30.0)
        assert (reply.status, bool(reply.json()["message"])) == (200, True)
        last = model_pid(server)
    assert server.exit_code == 0
    wait_until(lambda: not Path(f"/proc/{last}").exists(), WITHIN, "the model's process has ended")


def model_pid(server: GunicornServer) -> int:
    """Return the process id of a server's model; 0 where it has none."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == server.pid and b"local_model/server.py" in (entry / "cmdline").read_bytes():
                    return int(entry.name)
            except OSError:
                continue
    return 0
