"""A client's driver as a process: it is told what to do, and says what the client saw."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.common.gunicorn_server import REPOSITORY
from tools.common.scripted_model import MODEL_NAME

DRIVERS = REPOSITORY / "tests" / "clients" / "drivers"
#: Packages must not ask anybody but the server: what goes elsewhere is refused by a proxy that is not there, and
#: what they would report or download is switched off.
NO_OTHER_SERVERS = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
#: Seconds for one answer, and for a start: LiteLLM imports for seconds, and twice as long on a busy machine.
ANSWER_LIMIT = 20.0
START_LIMIT = 60.0


@dataclass(frozen=True)
class Seen:
    """What a client showed of one answer: see `drivers/requests_on_stdin.py`."""

    pieces: list[str]
    reasoning: str
    calls: list[dict[str, Any]]
    usage: list[list[int]]
    finish: str | None
    value: Any
    error: dict[str, Any] | None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


@dataclass
class ClientProcess:
    """Runs a driver. A context manager.

    Args:
        command: What runs it: a Python or a Node, with arguments.
        base_url: The server's, with `/v1`.
        home: An empty folder, for what packages keep.
        env: Further variables.
    """

    command: list[str]
    base_url: str
    home: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": "any-key",
            "MODEL": MODEL_NAME,
            "LLM_USER_PATH": str(self.home),
            **NO_OTHER_SERVERS,
            **self.env,
        }
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors = (self.home / "stderr").open("w+")
        self._process = subprocess.Popen(
            self.command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            assert self._next(START_LIMIT) == {"ready": True}
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def ask(self, what: str, **fields: Any) -> Seen:
        """Have the driver do something, and return what its client saw."""
        self.begin(what, **fields)
        return self.finish()

    def begin(self, what: str, **fields: Any) -> None:
        """Have the driver begin something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self._process.stdin.flush()

    def next_piece(self) -> str:
        """Wait until the client shows a piece of text, and return it."""
        line = self._next(ANSWER_LIMIT)
        assert "piece" in line, line
        return str(line["piece"])

    def finish(self) -> Seen:
        """Wait until the client is through, and return what it saw."""
        while "seen" not in (line := self._next(ANSWER_LIMIT)):
            pass
        return Seen(**line["seen"])

    def _next(self, limit: float) -> Any:
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            # Its next lines would be taken for those of the next test.
            self._process.kill()
            raise AssertionError(f"{self.command} said nothing for {limit} s: {self._complaints()}") from None
        assert line, f"{self.command} has ended: {self._complaints()}"
        return json.loads(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _complaints(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]

    def _stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        self._process.stdout.close()
        self._errors.close()


def beside_packages(driver: str, folder: Path) -> Path:
    """Return the path of a driver in JavaScript that finds a folder's packages: Node looks beside the file.

    Args:
        driver: Its name.
        folder: The folder that has `node_modules`. That of the repository is above the drivers.
    """
    if folder == REPOSITORY:
        return DRIVERS / driver
    for name in (driver, "requests_on_stdin.mjs"):
        shutil.copyfile(DRIVERS / name, folder / name)
    return folder / driver
