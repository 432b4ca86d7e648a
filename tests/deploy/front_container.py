"""nginx with the configuration of the container `front`, and the name server of its network."""

from __future__ import annotations

import os
import pwd
import socket
import struct
import subprocess
import threading
from types import TracebackType
from typing import Final, Self

from tools.common.gunicorn_server import REPOSITORY

from .nginx_server import CONFIG, NginxServer

SCRIPT: Final = REPOSITORY / "deploy" / "nginx-container.sed"
#: Where Sluice is in the network of compose.yaml.
ADDRESS: Final = "sluice:8000"


def adapted_config() -> str:
    """Return what the Dockerfile makes of nginx.conf."""
    done = subprocess.run(
        ["sed", "-f", str(SCRIPT), str(CONFIG)], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout


class FrontContainer(NginxServer):
    """Run nginx with the adapted configuration, of which only ports, paths and names are replaced.

    Args:
        upstream_port: Where gunicorn listens, at the address that the name server gives.
        name_server: Answers for the name of Sluice's container.
    """

    def __init__(self, upstream_port: int, name_server: NameServer, *, expected_log: str | None = None) -> None:
        super().__init__(upstream_port, expected_log=expected_log)
        self._name_server = name_server

    def _source(self) -> str:
        return adapted_config()

    def _replaced(self) -> dict[str, str]:
        # Run by root, its workers would be nobody's, who may not write into the directory.
        user = f"user {pwd.getpwuid(os.getuid()).pw_name};\n" if os.getuid() == 0 else ""
        return {
            "pid /tmp/nginx.pid;": f"{user}pid {self._directory}/nginx.pid;",
            "/dev/stdout": f"{self._directory}/sluice.log",
            "error_log stderr": f"error_log {self._directory}/error.log",
            "/var/lib/nginx/": f"{self._directory}/",
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            ADDRESS: f"sluice:{self._upstream_port}",
            "resolver 127.0.0.11": f"resolver 127.0.0.1:{self._name_server.port}",
            "server_name chat.example.com;": "server_name 127.0.0.1;",
        }


class NameServer:
    """Answers every query for an IPv4 address, as Docker's name server does in a network of containers.

    A context manager.
    """

    def __init__(self) -> None:
        #: The address to answer; None for a name that does not exist.
        self.address: str | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="name-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            # RFC 1035: the head, the question as it was asked, and one answer that points to its name.
            address = self.address
            code, count = (0, 1) if address else (3, 0)
            end = query.index(b"\0", 12) + 5
            reply = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0) + query[12:end]
            if address:
                reply += struct.pack("!HHHIH", 0xC00C, 1, 1, 600, 4) + socket.inet_aton(address)
            self._socket.sendto(reply, client)
