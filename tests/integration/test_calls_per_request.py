"""A guard against getting slower that does not look at the clock: how many function calls a whole request costs.

A worker as it is served, with one connection that asks for answers of one token one after another. What a further
token costs is counted by `tests/unit/test_calls_per_token.py`. Calls do not depend on the machine or its load, but
how many reads bring an answer does, and how often the main loop wakes for nothing: so the bounds have some room.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence

from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.model_steps import DONE, Chunk, End, Headers, Send
from tools.common.raw_client import chat_request, fetch, stream_chat
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, stalling_after

REQUESTS = 50
# What a request costs today on Python 3.11 with the packages of constraints.txt, and what of it is in our own files.
# A change that makes it cheaper lowers these; one that makes it dearer has to say why here.
# 20 on the loop, and 20 of our own, are the price of an answer that holds no thread (docs/decisions/0079): the loop
# gives its end to a thread of the pool. In all a request takes fewer than before. 3 of a pool's thread ask whether
# the answer has ended already, and so need not go to the loop. 5 are the pool's queue, which wakes only one thread.
# 3 of our own are a reader's place at a run, which a run that outlives its readers needs (docs/decisions/0087).
# 24 came with several providers (5: the route, and its coroutine), tools and images (6), cached tokens and cost (6),
# and functions that decoders and encodings share (7). A busy machine has more turns for a request: 446 to 454 were
# seen of the same code. A pool's thread makes 717 calls if the loop has opened the answer before it asks, and 733 if
# it has to wait for that: which of both comes more often is the machine's. The bounds are those of a thread that
# waits each time, with 2 for what happens once a second.
PYTHON_CALLS = {"MainThread": 220, "ThreadPoolExecutor": 735, "sluice-loop": 385}
OUR_CALLS = 458
BUILT_IN_CALLS = 1356
# System calls of the request's thread, by which it lets another one run and then has to wait for it: two writes of
# the reply, the second one behind the close of its body; one that wakes the main thread; four of metrics; a look
# whether the client is there, and one at the descriptors. An answer that comes in two reads has a write more: of 50,
# one does now and then, and up to `IN_TWO_READS` may.
IN_TWO_READS = 5
SYSTEM_CALLS = {"write": 3, "pwrite": 4, "poll.poll": 2, "open": 0, "socket.sendall": 0}

# In one write, so that it is one read.
_ANSWER = b"".join(
    (
        Chunk("word", role="assistant").encode(),
        Chunk(finish_reason="stop").encode(),
        Chunk(usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}).encode(),
        DONE.data,
    )
)

Calls = dict[str, Counter[str]]


def ask(client: socket.socket, request: bytes) -> None:
    client.sendall(request)
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n"):
        received = client.recv(65536)
        assert received, answer
        answer += received
    assert b'"done": true' in answer


def calls_until_now(url: str) -> Calls:
    return {kind: Counter(names) for kind, names in fetch(url, "/calls").json().items()}


def difference(later: Calls, earlier: Calls) -> Calls:
    return {kind: names - earlier.get(kind, Counter()) for kind, names in later.items()}


def calls_of(url: str, ask_once: Callable[[], None]) -> Calls:
    """Return the calls of `REQUESTS` requests, without those of looking at the count."""
    calls_until_now(url)
    first = calls_until_now(url)
    second = calls_until_now(url)
    for _ in range(REQUESTS):
        ask_once()
    third = calls_until_now(url)
    own, whole = difference(second, first), difference(third, second)
    return {kind: names - own.get(kind, Counter()) for kind, names in whole.items()}


def least(accounts: Sequence[Calls]) -> Calls:
    """Return the least of what each kind of thread called: more turns for the same work only add to it."""
    return {kind: min((each[kind] for each in accounts), key=Counter.total) for kind in accounts[0]}


def ask_in_vain(url: str) -> None:
    with stream_chat(url) as client:
        assert client.status == 503
        assert b'"overloaded"' in client.read_body()


def is_python(name: str) -> bool:
    return ":" in name


def test_a_request_costs_no_more_calls_than_it_did() -> None:
    with ScriptedModel((Headers(), Send(_ANSWER), End())) as model:
        settings = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
        with GunicornServer(settings, app="tests.integration.counted_application:app") as server:
            request = chat_request("localhost", {"message": "hi", "interaction_mode": "stream"}, keep_alive=True)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                for _ in range(10):  # what happens once is behind it
                    ask(client, request)
                spent = least([calls_of(server.url, lambda: ask(client, request)) for _ in range(6)])
    account = "\n".join(
        f"{count / REQUESTS:7.2f} {kind} {name}"
        for kind, names in spent.items()
        for name, count in names.most_common(60)
    )
    for kind, most in PYTHON_CALLS.items():
        count = sum(count for name, count in spent[kind].items() if is_python(name)) / REQUESTS
        assert count <= most, f"{count} {kind}\n{account}"
    for name, most in SYSTEM_CALLS.items():
        count = spent["ThreadPoolExecutor"][name]
        assert count <= most * REQUESTS + (IN_TWO_READS if most else 0), f"{count} {name}\n{account}"
    total: Counter[str] = sum(spent.values(), Counter())
    folders = tuple(f"{REPOSITORY}/{folder}/" for folder in ("service", "web", "sluice"))
    ours = sum(count for name, count in total.items() if name.startswith(folders)) / REQUESTS
    assert ours <= OUR_CALLS, f"{ours}\n{account}"
    built_in = sum(count for name, count in total.items() if not is_python(name)) / REQUESTS
    assert built_in <= BUILT_IN_CALLS, f"{built_in}\n{account}"


def test_a_chat_that_gets_no_slot_is_refused_by_the_main_thread_for_a_third_of_the_calls() -> None:
    with ScriptedModel(stalling_after("Hello")) as model:
        settings = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
        server = GunicornServer(
            {**settings, "SLUICE_MAX_STREAMS": 1}, app="tests.integration.counted_application:app"
        )
        with server, stream_chat(server.url) as client:
            assert client.next_event().message == "Hello"
            for _ in range(5):
                ask_in_vain(server.url)
            spent = calls_of(server.url, lambda: ask_in_vain(server.url))
    counts = {
        kind: sum(count for name, count in names.items() if is_python(name)) / REQUESTS
        for kind, names in spent.items()
    }
    # Nothing for each request. A thread that the pool starts meanwhile, for a look at the count, makes 80 calls once.
    assert {name: count for name, count in spent["ThreadPoolExecutor"].items() if count >= REQUESTS} == {}
    # The connection, which it opens and closes, included.
    assert sum(counts.values()) <= sum(PYTHON_CALLS.values()) / 3, counts
