"""What the Dockerfile relies on, with its own command, user and variables in hand-made namespaces."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sluice.service.settings.settings import Settings
from tests.deploy.container import MEMORY, READ_ONLY, Container
from tests.deploy.dockerfile import read_stages
from tests.support.polling import wait_until
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import POLL_INTERVAL
from tools.common.raw_client import fetch, stream_chat
from tools.common.scripted_model import MODEL_NAME, Headers, ScriptedModel, finished, said

HEALTH_CHECK = read_stages()["sluice"].health_check


def model_settings(model: ScriptedModel) -> dict[str, object]:
    """Return what leads a server to the scripted model."""
    return {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": MODEL_NAME}


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    """A container as compose.yaml has it, with the demo model."""
    mounts = [MEMORY.format("/tmp"), MEMORY.format("/dev/shm")]
    with Container({"SLUICE_DEMO_TOKENS_PER_SECOND": 5000, "SLUICE_TRUSTED_PROXIES": 1}, mounts=mounts) as running:
        yield running


def test_a_user_without_a_name_and_a_home_streams_from_a_read_only_root(container: Container) -> None:
    who = container.run("cat", "/proc/1/status").stdout
    assert "Uid:\t10001\t10001\t10001\t10001" in who
    assert "CapEff:\t0000000000000000" in who
    assert "HOME=" not in container.run("sh", "-c", "tr '\\0' '\\n' < /proc/1/environ").stdout
    assert container.run("touch", "/etc/written").returncode != 0
    with stream_chat(container.url, message="Hello") as client:
        assert client.read_stream()[1].is_done
    assert fetch(container.url, "/").status == 200
    assert fetch(container.url, "/metrics").status == 200
    assert "WARNING" not in container.log
    assert "Traceback" not in container.log


def test_the_health_check_succeeds_without_a_home_and_asks_no_proxy(container: Container) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = container.run(*HEALTH_CHECK, **proxies)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_health_check_fails_where_nothing_listens(container: Container) -> None:
    done = container.run("sh", "-c", 'PORT=9 exec "$0" "$@"', *HEALTH_CHECK)
    assert done.returncode != 0


def test_process_1_reaps_the_orphans_of_others(container: Container) -> None:
    before = container.children_of_init()
    # The shell ends first, as a health check does that is killed for its time-out.
    assert container.run("sh", "-c", "(sleep 0.1 & sleep 0.1 &)").returncode == 0
    assert "Z" not in before
    wait_until(lambda: container.children_of_init() == before, 5, f"the children are {before}", pause=POLL_INTERVAL)


def test_other_names_than_localhost_are_refused_until_they_are_listed(container: Container) -> None:
    assert fetch(container.url, "/readyz", headers={"Host": "chat.example.com"}).status == 421
    assert fetch(container.url, "/readyz", headers={"Host": f"localhost:{container.port}"}).status == 200


def test_a_stop_drains_what_process_1_has_open_and_ends_in_time(model: ScriptedModel) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    mounts = [MEMORY.format("/tmp")]
    with Container(model_settings(model), mounts=mounts) as server:
        with stream_chat(server.url) as client:
            assert client.next_event().message == "Hel"
            server.terminate()
            server.wait_for_log("draining: 1 open streams")
            gate.open()
            text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
        assert server.wait_exit(Settings().limits.graceful_timeout) == 0


# The memory of a container has other sizes, or is not there; workers meet in what there is.
PLACES = {
    "no /tmp": ([READ_ONLY.format("/tmp"), MEMORY.format("/dev/shm")], "/dev/shm"),
    "no /tmp and little memory": (
        [READ_ONLY.format("/tmp"), MEMORY.format("/dev/shm").replace("16m", "512k")],
        "/dev/shm",
    ),
    "no memory": ([MEMORY.format("/tmp"), READ_ONLY.format("/dev/shm")], "/tmp"),
}


@pytest.mark.parametrize(("mounts", "place"), PLACES.values(), ids=PLACES)
def test_two_workers_serve_and_add_up_their_metrics_wherever_one_directory_can_be_written(
    mounts: list[str], place: str
) -> None:
    # One CPU, as of a container with `cpuset`.
    cpu = min(os.sched_getaffinity(0))
    env = {"WEB_CONCURRENCY": 2, "SLUICE_DEMO_TOKENS_PER_SECOND": 5000, "SLUICE_TRUSTED_PROXIES": 1}
    with Container(env, mounts=mounts, launcher=["taskset", "--cpu-list", str(cpu)]) as server:
        (init,) = server.master_pids()
        server.wait_workers(2, master=init)
        with stream_chat(server.url, message="Hello") as client:
            assert client.read_stream()[1].is_done
        metrics = fetch(server.url, "/metrics").text
        found = server.run("sh", "-c", f"ls -d {place}/sluice-metrics-*")
        assert found.returncode == 0, server.log
    assert 'outcome="done"' in metrics
    assert "no directory can be made" not in server.log
    assert "Traceback" not in server.log


def test_a_container_without_any_directory_says_what_to_name(model: ScriptedModel) -> None:
    mounts = [READ_ONLY.format("/tmp"), READ_ONLY.format("/dev/shm")]
    server = Container(mounts=mounts)
    with pytest.raises(AssertionError, match="TMPDIR should name a directory that can be written"):
        server.start()


def test_a_container_with_a_published_port_and_no_proxy_is_told_what_that_means() -> None:
    (sentence,) = Settings.load(read_stages()["sluice"].environment).contradictions()
    assert "of a container: through a published port" in sentence
    assert "without a proxy in front" in sentence
