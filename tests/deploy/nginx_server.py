"""The real nginx with the shipped configuration, of which only ports, paths and names are replaced."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.polling import wait_until
from tools.common.gunicorn_server import POLL_INTERVAL, REPOSITORY, Process, processes

CONFIG: Final = REPOSITORY / "deploy" / "nginx.conf"
TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class NginxServer:
    """Run nginx in the foreground, on loopback, in a directory of its own; any user may.

    A context manager; all methods may be called by any thread. Stopping fails if a process remains, and if nginx
    logged a warning or an error that was not announced.

    Args:
        upstream_port: Where gunicorn listens.
        edits: Texts of the configuration to replace, for tests of what a line is good for.
        tls: A file that holds a certificate and its key; turns the lines marked `#tls` on.
        expected_log: What nginx may have to complain of.
    """

    def __init__(
        self,
        upstream_port: int,
        *,
        edits: dict[str, str] | None = None,
        tls: Path | None = None,
        expected_log: str | None = None,
    ) -> None:
        self.port = 0
        self.tls_port = 0
        self._upstream_port = upstream_port
        self._edits = edits or {}
        self._tls = tls
        self._expected_log = expected_log
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._held: list[socket.socket] = []

    def __repr__(self) -> str:
        return f"<NginxServer on port {self.port}, in front of port {self._upstream_port}>"

    def __enter__(self) -> Self:
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        assert program is not None, (
            "These tests run the real nginx, and it is not installed: sudo apt-get install nginx-light (Debian, "
            "Ubuntu), brew install nginx (macOS)."
        )
        self._directory = Path(tempfile.mkdtemp(prefix="sluice-nginx-"))
        self.port, self.tls_port = self._hold_free_port(), self._hold_free_port()
        config = self._directory / "nginx.conf"
        config.write_text(self._config())
        command = [program, "-p", f"{self._directory}/", "-c", str(config), "-g", "daemon off;"]
        # Before the configuration is read, nginx logs to a file of the system's, which not every user may write.
        command += ["-e", str(self._log_file)]
        with (self._directory / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_listening(10.0)
        except BaseException:
            self._end(signal.SIGKILL)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        log = self._end(signal.SIGTERM)
        unexpected = [
            line for line in log.splitlines() if self._expected_log is None or not re.search(self._expected_log, line)
        ]
        assert kind is not None or not unexpected, f"{self!r} logged {unexpected}"

    @property
    def url(self) -> str:
        """The address of the front, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Its warnings and errors so far."""
        texts = [file.read_text(errors="backslashreplace") for file in (self._log_file, self._directory / "output")]
        return "".join(texts)

    @property
    def access_log(self) -> str:
        """The lines about requests that have ended."""
        return (self._directory / "sluice.log").read_text()

    def reload(self, timeout: float = 10.0) -> None:
        """Read the configuration again (HUP) and wait until new workers serve."""
        assert self._process is not None
        old = self.worker_pids()
        os.kill(self._process.pid, signal.SIGHUP)
        wait_until(
            lambda: len(set(self.worker_pids()) - set(old)) >= len(old),
            timeout,
            f"{self!r} has other workers than {old}",
            pause=POLL_INTERVAL,
        )

    def worker_pids(self) -> list[int]:
        """Return its workers, with those that end after a reload."""
        assert self._process is not None
        return [process.pid for process in self._group() if process.parent == self._process.pid]

    @property
    def _log_file(self) -> Path:
        return self._directory / "error.log"

    def _source(self) -> str:
        """Return the configuration as it is shipped."""
        return CONFIG.read_text()

    def _replaced(self) -> dict[str, str]:
        """Return what of it is replaced: ports, paths and names."""
        user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
        return {
            "user www-data;": user,
            "/run/nginx.pid": str(self._directory / "nginx.pid"),
            "/var/log/nginx/": f"{self._directory}/",
            # Not in the shipped file: the package's own directories belong to another user.
            "http {": "http {" + "".join(f"\n{name}_temp_path {self._directory}/{name};" for name in TEMPORARY),
            "listen 80": f"listen 127.0.0.1:{self.port}",
            "listen 443": f"listen 127.0.0.1:{self.tls_port}",
            "https://$host": f"https://$host:{self.tls_port}",
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{self._upstream_port};",
            "/var/lib/nginx/sluice": f"{self._directory}/cache",
            "/etc/letsencrypt/live/chat.example.com/fullchain.pem": str(self._tls),
            "/etc/letsencrypt/live/chat.example.com/privkey.pem": str(self._tls),
            "server_name chat.example.com;": "server_name 127.0.0.1;",
        }

    def _config(self) -> str:
        text = self._source()
        if self._tls is not None:
            text = text.replace("#tls ", "")
        for old, new in {**self._replaced(), **self._edits}.items():
            assert old in text, f"{CONFIG} has no {old!r}"
            text = text.replace(old, new)
        return text

    def _hold_free_port(self) -> int:
        # Bound and not listening, it keeps the port from others, while nginx, which sets SO_REUSEADDR too, may
        # listen on it.
        held = socket.socket()
        self._held.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port

    def _wait_listening(self, timeout: float) -> None:
        assert self._process is not None
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            assert self._process.poll() is None, f"nginx exited:\n{self.log}"
            assert time.monotonic() < deadline, f"{self!r} does not listen after {timeout} s:\n{self.log}"
            time.sleep(POLL_INTERVAL)

    def _group(self) -> list[Process]:
        assert self._process is not None
        return [found for found in processes() if found.group == self._process.pid and found.state != "Z"]

    def _end(self, number: int) -> str:
        """Stop it, remove what it had, and return its log."""
        assert self._process is not None
        complaint = None
        self._process.send_signal(number)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            complaint = "was still there 5 s after its signal"
        deadline = time.monotonic() + 2
        while complaint is None and (left := self._group()):
            if time.monotonic() > deadline:
                complaint = f"left processes behind: {left}"
            time.sleep(POLL_INTERVAL)
        if complaint is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
        log = self.log
        for held in self._held:
            held.close()
        shutil.rmtree(self._directory)
        assert complaint is None, f"{self!r} {complaint}\n{log}"
        return log
