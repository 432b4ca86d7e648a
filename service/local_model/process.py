"""The local model's process: started, waited for, started again after a crash, and ended."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from .packages import MODEL_NAME, LocalModelError, find_weights

#: Answers at once; further ones wait in llama.cpp.
SLOTS: Final = 4
#: The tokens of one conversation with its answer. The model was trained with 8192; with 4096 for each of the slots,
#: its memory stays below half a gigabyte.
CONTEXT: Final = 4096
# Seconds. It takes one or two; the first time the weights come from a disk that may be slow.
START_TIMEOUT: Final = 120.0
# Seconds for a process that ends by itself when its input is closed.
STOP_TIMEOUT: Final = 5.0
# llama.cpp's levels: 2 has warnings, 3 also a few lines for each request.
WARNINGS: Final = 2
# Crashes in a row, each within the time, after which another start would not help.
MOST_CRASHES: Final = 3
CRASH_WINDOW: Final = 60.0


class LocalModel:
    """A context manager; one thread may use it. The process ends with this one, also if this one is killed."""

    def __init__(
        self, packages: Path, *, context: int = CONTEXT, verbosity: int = WARNINGS, log: IO[bytes] | None = None
    ) -> None:
        """Prepare the process.

        Args:
            packages: The folder of `packages.py`.
            context: The tokens of one conversation with its answer.
            verbosity: The level of llama.cpp's log.
            log: Where its log goes. Default: this process's stderr.
        """
        self._options: dict[str, Any] = {
            "packages": str(packages),
            "weights": str(find_weights(packages)),
            "name": MODEL_NAME,
            "key": secrets.token_urlsafe(24),
            "port": 0,
            "slots": SLOTS,
            "context": context,
            "verbosity": verbosity,
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._crashes: list[float] = []
        #: The base URL of its API, with `/v1`; empty before the start.
        self.base_url = ""

    @property
    def name(self) -> str:
        """The name under which the model answers."""
        return MODEL_NAME

    @property
    def key(self) -> str:
        """The API key, which only this process and its children know."""
        key: str = self._options["key"]
        return key

    @property
    def pid(self) -> int:
        """The process id; after the start."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process, and wait until the model is loaded.

        Raises:
            LocalModelError: It ended, or took too long.
        """
        self._process = subprocess.Popen(  # noqa: S603
            # -P: no file beside the program hides a module of the standard library.
            [sys.executable, "-P", str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C in a terminal is for the server, which ends open answers first.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Timer(START_TIMEOUT, self._process.kill)
        late.start()
        try:
            self._process.stdin.write(json.dumps(self._options).encode() + b"\n")
            self._process.stdin.flush()
            url = self._process.stdout.readline().decode().strip()
        except BrokenPipeError:
            url = ""
        finally:
            late.cancel()
            late.join()
        if not url:
            code = self._process.wait(STOP_TIMEOUT)
            self.close()
            raise LocalModelError(f"llama.cpp's server did not start (exit code {code}); its log says why.")
        # Later starts listen there again: the address is in the environment of the server.
        self._options["port"] = int(url.rpartition(":")[2])
        self.base_url = f"{url}/v1"

    def restart_if_ended(self, say: Callable[[str], None]) -> None:
        """Start it again if it has ended.

        Args:
            say: Takes a line for the operator.

        Raises:
            LocalModelError: It ended too often.
        """
        if self._process is None or (code := self._process.poll()) is None:
            return
        now = time.monotonic()
        self._crashes = [at for at in self._crashes if now - at < CRASH_WINDOW] + [now]
        if len(self._crashes) > MOST_CRASHES:
            raise LocalModelError(f"llama.cpp's server ended {MOST_CRASHES + 1} times in {CRASH_WINDOW:g} s.")
        say(f"llama.cpp's server has ended (exit code {code}) and is started again")
        self.close()
        self.start()
        say("llama.cpp's server runs again")

    def close(self) -> None:
        """End the process. Closing twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        # It may have ended before it read its options.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
