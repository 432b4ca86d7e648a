"""Fixtures of all tests: the scripted model, real servers, and the leak oracle around every test."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from zlib import crc32

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.fork_server import ForkServer
from tests.support.running_server import PLANTED_KEY
from tools.common import leaks
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the tests marked `long`, unless `-m` says otherwise."""
    if not config.option.markexpr:
        config.option.markexpr = "not long"


# Folders whose files share what a process holds, such as a browser, and over how many processes they are spread.
TOGETHER = {"browser": 2}
# What is taken up last should be short, so that all processes end at about the same time.
LONGEST_FIRST = (
    "browser", "engines", "faults", "soak", "deploy", "servers", "loadtest", "fuzz", "clients", "examples",
    "integration",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: (*LONGEST_FIRST, item.path.parent.name).index(item.path.parent.name))


class ByFileOrFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types for it
    """Keeps the tests of a file, or of a part of such a folder, in one process of a parallel run.

    xdist's own `loadgroup` does not: pytest 9.2 has no attribute any more that xdist 3.8 writes the group into.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        parts = TOGETHER.get(file.parent.name)
        return f"{file.parent.name} {crc32(file.name.encode()) % parts}" if parts else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give out tests like that, for `--dist loadscope --no-loadscope-reorder`: in the order in which they stand."""
    return ByFileOrFolder(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half characters in what a test logged: xdist cannot send them, and the whole run would end."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="module", autouse=True)
def objects_from_before() -> None:
    """Take what imports and earlier modules made out of the collector's sight: the oracle looks through the rest.

    There are 100,000 of them and more, in which to look for tasks, twice a test, takes 30 ms. None of them is a task:
    the oracle has looked.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fail the test that leaves a thread, task, descriptor or child process behind.

    Being autouse it is set up before the test's other fixtures and so looks after they are torn down;
    fixtures of a wider scope are older still, and part of its baseline.
    """
    with leaks.no_leaks(leaks.SETTLE):
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_starts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start servers by a fork, in runs that have more than unit tests: they are hundreds."""
    unit_tests = Path(__file__).with_name("unit")
    if all(unit_tests in item.path.parents for item in request.session.items):
        yield
        return
    with ForkServer() as fork_server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(GunicornServer, "start_python", fork_server.start)
        yield


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted model, running."""
    with ScriptedModel() as running:
        yield running


class Serve(Protocol):
    """The type of the `serve` fixture."""

    def __call__(
        self,
        *,
        config: str | Path = "gunicorn.conf.py",
        args: Sequence[str] = (),
        workers: int | None = None,
        collector: bool = False,
        **env: object,
    ) -> GunicornServer:
        """Start a server whose model is the `model` fixture, and stop it after the test.

        Args:
            config: The configuration file.
            args: Further arguments of gunicorn.
            workers: How many workers.
            collector: True leaves the cycle collector on in the server. It is off so that leaks show.
            env: Environment variables, over the defaults; None takes one away.

        Returns:
            The server, ready.
        """


@pytest.fixture
def serve(model: ScriptedModel) -> Iterator[Serve]:
    """A function that starts real servers, all of which are stopped after the test."""
    with ExitStack() as running:

        def start(
            *,
            config: str | Path = "gunicorn.conf.py",
            args: Sequence[str] = (),
            workers: int | None = None,
            collector: bool = False,
            **env: object,
        ) -> GunicornServer:
            variables: dict[str, object] = {
                "OPENAI_API_KEY": PLANTED_KEY,
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_MODEL": MODEL_NAME,
                **env,
            }
            given = {name: value for name, value in variables.items() if value is not None}
            server = GunicornServer(given, config=config, args=args, workers=workers, collector=collector)
            return running.enter_context(server)

        yield start


@pytest.fixture
def page_server(serve: Serve) -> GunicornServer:
    """A server whose page streams, for tests in a browser."""
    return serve(OPENAI_INTERACTION_MODE="stream")
