"""Tells other processes on this machine which runs have changed: a datagram to the Unix socket of each of them.

A ring may be lost: where a receiver is behind, it gets none. The log in the database is the truth.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import socket
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from .base import StoreUnavailable

logger = logging.getLogger("sluice.store")

# Bytes of a Unix socket's path on Linux, without the zero at its end. The name of a socket takes up to 24 of them.
MAX_PATH = 107
_NAME_LENGTH = 24
# Not TMPDIR: that may be long itself, and differ between the workers of one database.
SHORT_FOLDER = Path("/tmp")  # noqa: S108  # whose folder it is, is checked
# Ids in one datagram: 33 KB, where a socket's buffer takes 208 KB by default.
IDS_PER_DATAGRAM = 1000
_MAX_DATAGRAM = 2**18
# How often the folder is made, where others remove it at the same time.
_BIND_TRIES = 10
# Datagrams that are read in one turn of the loop.
_PER_TURN = 64


def bell_folder(database: Path) -> Path:
    """Return the folder for the sockets of a database: beside it, or a short one where its path is too long."""
    folder = database.with_name(f"{database.name}.bells")
    if len(os.fsencode(folder)) + 1 + _NAME_LENGTH <= MAX_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return SHORT_FOLDER / f"sluice-{os.geteuid()}-{digest}"


class Bell:
    """A process's own socket, and those of the others. `ring` is for any thread; the rest is for the loop's."""

    def __init__(self, database: Path, on_ring: Callable[[Iterable[str]], None]) -> None:
        """Keep what is needed; open nothing.

        Args:
            database: The database's absolute path.
            on_ring: Called on the loop's thread with ids of runs that another process has changed.
        """
        self._folder = bell_folder(database)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}.sock"
        self._on_ring = on_ring
        self._loop: asyncio.AbstractEventLoop | None = None
        self._receiver: socket.socket | None = None
        self._sender: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether the socket is bound."""
        return self._receiver is not None

    def open(self) -> None:
        """Bind the socket, and listen on the running loop.

        Raises:
            StoreUnavailable: The folder or the socket cannot be made, or the folder is somebody else's.
        """
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            receiver.setblocking(False)
            self._bind(receiver)
        except OSError as error:
            receiver.close()
            raise StoreUnavailable(
                f"SQLite store: cannot make a socket in {self._folder}: {error.strerror or error}"
            ) from error
        except StoreUnavailable:
            receiver.close()
            raise
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.setblocking(False)
        self._receiver, self._sender = receiver, sender
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(receiver, self._receive)

    def close(self) -> None:
        """Stop listening, and remove the socket. No thread may ring any more. Closing twice is harmless."""
        if self._loop is None or self._receiver is None or self._sender is None:
            return
        self._loop.remove_reader(self._receiver)
        (self._folder / self._name).unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()  # unless others have their sockets in it
        self._receiver.close()
        self._sender.close()
        self._loop = self._receiver = self._sender = None

    def ring(self, run_ids: Iterable[str]) -> None:
        """Send ids of runs to all other processes. Removes the sockets of processes that have died."""
        sender = self._sender
        if sender is None:
            return
        ids = iter(run_ids)
        datagrams: list[bytes] = []
        while some := list(islice(ids, IDS_PER_DATAGRAM)):
            datagrams.append("\n".join(some).encode())
        for name in self._others():
            self._send(sender, self._folder / name, datagrams)

    # ------------------------------------------------------------------ inside

    def _bind(self, receiver: socket.socket) -> None:
        for _ in range(_BIND_TRIES):
            self._make_folder()
            try:
                receiver.bind(os.fspath(self._folder / self._name))
                return
            except FileNotFoundError:
                continue  # The last of the others has removed the folder meanwhile.
        raise FileNotFoundError(f"the folder is removed again and again: {self._folder}")

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # In the folder for temporary files, somebody else may have made it.
        status = self._folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise StoreUnavailable(
                f"SQLite store: {self._folder} must be a folder of this user with mode 0700; remove it"
            )

    def _others(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            # An operator has removed it. The others look at the database each second.
            return []
        return [name for name in names if name.endswith(".sock") and name != self._name]

    @staticmethod
    def _send(sender: socket.socket, receiver: Path, datagrams: Iterable[bytes]) -> None:
        try:
            for datagram in datagrams:
                sender.sendto(datagram, os.fspath(receiver))
        except BlockingIOError:
            return  # It is behind, and looks at the database each second.
        except FileNotFoundError:
            return  # It has just been closed.
        except ConnectionRefusedError:
            # Its process has died. Names are random, so that no other process's socket has this one.
            receiver.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("cannot ring at %s: %s", receiver, error)

    def _receive(self) -> None:
        found: dict[str, None] = {}
        for _ in range(_PER_TURN):
            if self._receiver is None:
                return
            try:
                datagram = self._receiver.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                break
            found.update(dict.fromkeys(datagram.decode("utf-8", "replace").split("\n")))
        self._on_ring(found)
