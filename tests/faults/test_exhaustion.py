"""Row 42: a worker that runs out of descriptors, threads or memory says so, keeps what it has, and recovers."""

from __future__ import annotations

import itertools
import resource
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.fault_application import NO_MEMORY
from tests.support.fault_server import FaultServer, StartOwnServer
from tests.support.memory import resident
from tests.support.polling import wait_until
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.leaks import open_descriptors
from tools.common.raw_client import RawClient, Reply, chat_request, check_error, fetch, post_chat, stream_chat
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, finished, said, stalling_after

# Four threads, three of which may be held.
SERVER_SETTINGS = {"SLUICE_MAX_STREAMS": 3, "SLUICE_RESERVE_THREADS": 1, "warm": 3}
MIB = 2**20
WITHIN = 5.0


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """Give a process no more than that of a resource, while the block runs."""
    usual = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, usual)


@contextmanager
def few_descriptors(pid: int, more: int) -> Iterator[None]:
    """Leave a process only so many further descriptors."""
    taken = open_descriptors(pid)
    free = [number for number in range(1024) if number not in taken]
    with limited(pid, resource.RLIMIT_NOFILE, free[more]):
        yield


@contextmanager
def little_memory(pid: int) -> Iterator[None]:
    """Leave a process too little memory for the stack of a further thread, which takes 8 MiB."""
    with limited(pid, resource.RLIMIT_AS, resident(pid, "VmSize") + 4 * MIB):
        yield


def assert_overloaded(reply: Reply) -> None:
    assert reply.status == 503
    assert reply.json()["code"] == "overloaded"
    assert int(reply.headers["retry-after"]) >= 1
    check_error(reply.json(), field_allowed=True)


def assert_recovers(running_server: FaultServer, worker: int) -> None:
    running_server.server.wait_ready(5)
    assert post_chat(running_server.url, message="Hi", interaction_mode="block").status == 200
    assert running_server.server.worker_pids() == [worker]


def test_a_worker_short_of_descriptors_refuses_chats_and_goes_on_with_all_else(running_server: FaultServer) -> None:
    (worker,) = running_server.server.worker_pids()
    others_came = running_server.model.gate("until the others have come")
    running_server.model.enqueue((*said("Hel"), others_came, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        with few_descriptors(worker, more=8):
            for mode in ("stream", "block"):
                assert_overloaded(post_chat(running_server.url, message="Hi", interaction_mode=mode))
            ready = fetch(running_server.url, "/readyz")
            assert ready.status == 503
            assert ready.json()["status"] == "overloaded: no file descriptor is left for another connection"
            for path in ("/healthz", "/", "/api/config", "/metrics"):
                assert fetch(running_server.url, path).status == 200
            others_came.open()
            assert client.read_stream()[0] == "lo"
    assert_recovers(running_server, worker)


def test_a_worker_without_free_descriptors_closes_idle_connections_for_new_clients(
    running_server: FaultServer,
) -> None:
    (worker,) = running_server.server.worker_pids()
    with ExitStack() as stack:
        for _ in range(3):
            idle = stack.enter_context(RawClient(running_server.url))
            idle.request("GET", "/healthz")
            idle.read_body()
        with few_descriptors(worker, more=0):
            began = time.monotonic()
            for _ in range(3):
                assert fetch(running_server.url, "/healthz").status == 200
            assert time.monotonic() - began < 1.0
    assert_recovers(running_server, worker)


def test_a_worker_that_can_start_no_thread_refuses_what_holds_one_and_answers_all_else(
    start_own_server: StartOwnServer,
) -> None:
    running_server = start_own_server(warm=2)
    (worker,) = running_server.server.worker_pids()
    running_server.model.default = stalling_after("Hello")
    with running_server.without_leaks(), ExitStack() as stack, little_memory(worker):
        # A stream holds no thread.
        for _ in range(3):
            client = stack.enter_context(stream_chat(running_server.url))
            assert client.next_event().message == "Hello"
        for number in itertools.count(4):
            assert number < 20
            client = stack.enter_context(RawClient(running_server.url))
            if is_refused(running_server, client):
                break
        assert client.status == 503
        assert b'"overloaded"' in client.read_body()
        ready = fetch(running_server.url, "/readyz")
        assert ready.status == 503
        assert ready.json()["status"] == "overloaded: no further thread can be started"
        began = time.monotonic()
        assert fetch(running_server.url, "/healthz").status == 200
        assert time.monotonic() - began < 1.0
        assert running_server.server.worker_pids() == [worker]
    running_server.model.clear()
    assert_recovers(running_server, worker)


def is_refused(running_server: FaultServer, client: RawClient) -> bool:
    """Ask in block mode, and say whether a reply comes and the model is not asked."""
    before = len(running_server.model.exchanges)

    def has_reply() -> bool:
        return bool(select.select([client.socket], [], [], 0)[0])

    client.send(chat_request("localhost", {"message": "Hi", "interaction_mode": "block"}))
    wait_until(lambda: has_reply() or len(running_server.model.exchanges) > before, WITHIN)
    return has_reply()


def test_a_request_without_memory_gets_the_code_overloaded(running_server: FaultServer) -> None:
    (worker,) = running_server.server.worker_pids()
    for mode in ("stream", "block"):
        assert_overloaded(post_chat(running_server.url, message=NO_MEMORY, interaction_mode=mode))
    assert_overloaded(fetch(running_server.url, "/faults/no-memory"))
    assert_recovers(running_server, worker)
    assert "Traceback" not in running_server.server.log


def test_a_body_without_memory_does_not_end_the_worker(running_server: FaultServer) -> None:
    (worker,) = running_server.server.worker_pids()
    with limited(worker, resource.RLIMIT_AS, resident(worker, "VmSize") + MIB // 2):
        for size in (900_000, 900_000, 10):
            reply = post_chat(running_server.url, message="a" + " " * size, interaction_mode="block")
            assert reply.status in (200, 413, 503)
    assert_recovers(running_server, worker)


def test_the_first_look_up_of_a_name_needs_no_thread_any_more() -> None:
    with ScriptedModel() as model:
        settings = {
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url.replace("127.0.0.1", "localhost"),
        }
        with GunicornServer(settings) as server:
            (worker,) = server.worker_pids()
            with little_memory(worker):
                reply = post_chat(server.url, message="Hi", interaction_mode="block")
                assert reply.status in (200, 503)
            assert post_chat(server.url, message="Hi", interaction_mode="block").status == 200
            assert server.worker_pids() == [worker]


# In front of the configuration: the first two threads that a worker starts cannot be started.
THREADLESS = """
import threading
start, left = threading.Thread.start, [2]
def fail(thread):
    if left[0]:
        left[0] -= 1
        raise RuntimeError("can't start new thread")
    start(thread)
def post_worker_init(worker):
    threading.Thread.start = fail
"""


def test_a_worker_that_can_start_no_thread_yet_tries_again(tmp_path: Path) -> None:
    config = tmp_path / "threadless.conf.py"
    usual = REPOSITORY / "gunicorn.conf.py"
    read = "exec(compile(open(__file__).read(), __file__, 'exec'))"
    config.write_text(f"__file__ = {str(usual)!r}\n{read}{THREADLESS}")
    with GunicornServer({"SLUICE_DEMO_TOKENS_PER_SECOND": 100_000}, config=config) as server:
        server.wait_for_log(r"this worker cannot serve yet \(no further thread can be started\); it tries again")
        assert post_chat(server.url, message="Hi", interaction_mode="block").status == 200
        assert server.log.count("Booting worker") == 1
    assert "Traceback" not in server.log
