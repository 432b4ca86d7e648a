"""The file of the SQLite store: it is made, opened, replaced after an operator's `rm`, and moved aside where corrupt.

Several processes may do so at the same time: a lock on a second file, `<name>.lock`, lets one at a time do it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from .base import StoreUnavailable
from .mounts import network_file_system
from .sqlite_schema import APPLICATION_ID, FORMAT, MARKS, SCHEMA

logger = logging.getLogger("sluice.store")

PAGE_SIZE = 4096
# Pages of the write-ahead log after which a commit copies them into the file, which costs two `fsync`.
CHECKPOINT_PAGES = 4000
# Bytes that the write-ahead log keeps on disk after that.
MAX_LOG_BYTES = 2 * CHECKPOINT_PAGES * PAGE_SIZE
# The file may be larger than the events in it: records, indexes, half-filled pages. Beyond, SQLite writes no more.
SPARE_BYTES = 8 * 2**20
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# Written into the lock's file once a store of ours lay there: what is unreadable afterwards is a corrupt store.
_MARK = b"Sluice's store of runs lies beside this file.\n"


class Database:
    """An open connection, and the file that it has open. For the thread that has opened it."""

    def __init__(self, connection: sqlite3.Connection, identity: tuple[int, int]) -> None:
        self.connection = connection
        #: Device and inode.
        self.identity = identity

    def close(self) -> None:
        """Close the connection. A file that another one has replaced meanwhile is not touched: SQLite looks."""
        self.connection.close()


def is_corrupt(error: BaseException) -> bool:
    """Return whether SQLite says that a file is corrupt, or no database."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _CORRUPT


def is_locked(error: BaseException) -> bool:
    """Return whether another connection held a lock for longer than the timeout."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_BUSY


class DatabaseFile:
    """Opens connections to one file. For any thread; a connection is for the thread that has opened it."""

    def __init__(self, path: Path, *, busy_timeout: float, max_bytes: int) -> None:
        """Keep what is needed; open nothing.

        Args:
            path: The file. It is made with mode 0600, its folder with mode 0700.
            busy_timeout: Seconds to wait for a lock.
            max_bytes: Bytes of events that the store should hold; the file may take twice as much, and no more.
        """
        self.path = path.absolute()
        self._busy_timeout = busy_timeout
        self._max_pages = (2 * max_bytes + SPARE_BYTES) // PAGE_SIZE

    def connect(self, *, reads_only: bool = False) -> Database:
        """Open the file; make it where it is missing or empty; begin a new one where it is corrupt.

        Raises:
            StoreUnavailable: It cannot be opened or made.
        """
        with self._errors_told(), self._locked() as lock:
            try:
                return self._connect(lock, reads_only=reads_only)
            except sqlite3.Error as error:
                if not is_corrupt(error) or not os.fstat(lock).st_size:
                    raise
                self._set_aside(error)
                return self._connect(lock, reads_only=reads_only)

    def reconnect(self, old: Database, error: sqlite3.Error | None = None, *, reads_only: bool = False) -> Database:
        """Open the file that lies there now, and close a connection to the one that lay there before.

        Args:
            old: The connection to close.
            error: What SQLite said where the old file is corrupt. Where nobody else has moved it, it is moved aside.
            reads_only: As for `connect`.

        Raises:
            StoreUnavailable: It cannot be opened or made. The old connection is closed.
        """
        # The new file is made first: SQLite writes the log of the last connection into a file that is still there.
        with closing(old):
            if error is not None:
                with self._errors_told(), self._locked():
                    if self.is_current(old):
                        self._set_aside(error)
            return self.connect(reads_only=reads_only)

    def is_current(self, database: Database) -> bool:
        """Return whether a connection's file is still the one that lies there, and was not emptied."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == database.identity and status.st_size > 0

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Return what to raise for an error of SQLite or of the file system."""
        return StoreUnavailable(f"SQLite store {self.path}: {self._explain(error)}")

    # ------------------------------------------------------------------ inside

    def _connect(self, lock: int, *, reads_only: bool) -> Database:
        # The file itself is not opened here: closing a descriptor would release SQLite's locks on it (POSIX).
        if not self.path.exists() or not self.path.stat().st_size:
            # A log that is left from a file that was deleted or emptied does not belong to the next one.
            for path in (self.path, self._beside("-wal"), self._beside("-shm")):
                path.unlink(missing_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        status = self.path.stat()
        if not status.st_size or os.fstat(lock).st_size:
            # Before SQLite makes the log, which gets the file's mode.
            self._close_to_others()
        connection = sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)
        try:
            self._prepare(connection, is_new=not status.st_size, reads_only=reads_only)
        except BaseException:
            connection.close()
            raise
        if not os.fstat(lock).st_size:
            # By now it is known to be no other program's file.
            self._close_to_others()
            os.write(lock, _MARK)
        return Database(connection, (status.st_dev, status.st_ino))

    def _prepare(self, connection: sqlite3.Connection, *, is_new: bool, reads_only: bool) -> None:
        # A process that was killed while it made the file has left a database without tables.
        if is_new or not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {marks} COMMIT;")
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if found[0] != APPLICATION_ID:
            raise StoreUnavailable(f"{self.path} is a database of another program; name another file")
        if found[1] != FORMAT:
            raise StoreUnavailable(
                f"{self.path} has format {found[1]}, and this version of Sluice reads format {FORMAT}; move it away"
            )
        connection.execute(MARKS)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")
        if reads_only:
            connection.execute("PRAGMA query_only = ON")

    def _close_to_others(self) -> None:
        """Take the file and its log from other users."""
        for path in (self.path, self._beside("-wal"), self._beside("-shm")):
            with suppress(FileNotFoundError):
                status = path.stat()
                if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                    path.chmod(0o600)

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Rename a corrupt file and its log. The lock is held."""
        name = f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09}"
        aside = self.path.with_name(name)
        self.path.rename(aside)
        if (log := self._beside("-wal")).exists():
            log.rename(aside.with_name(f"{name}-wal"))
        self._beside("-shm").unlink(missing_ok=True)
        logger.warning(
            "SQLite store %s is corrupt (%s): moved to %s, and a new one was begun; its runs are lost",
            self.path,
            error,
            aside.name,
        )

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise self.unavailable(error) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Make the folder, and hold the lock of those that open or replace the file; yield its descriptor."""
        self._check_kind()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_folder()
        if kind := network_file_system(self.path.parent):
            raise StoreUnavailable(
                f"SQLite store {self.path}: lies on a network file system ({kind}), where SQLite's log cannot be "
                "shared; name a file on a local disk, or a Redis or Valkey server"
            )
        lock = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            deadline = time.monotonic() + self._busy_timeout
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TimeoutError("another process has been opening it for too long") from None
                    time.sleep(0.005)
            yield lock
        finally:
            os.close(lock)

    def _check_kind(self) -> None:
        """Refuse what is no file. A device has no bytes, so it would be replaced, as an empty file is."""
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise StoreUnavailable(f"SQLite store {self.path}: is a folder, a device or the like; name a file")

    def _check_folder(self) -> None:
        """Refuse a folder that another user may have made for us to write into, as anybody can below /tmp."""
        folder, above = self.path.parent.lstat(), self.path.parent.parent.stat()
        is_ours = stat.S_ISDIR(folder.st_mode) and folder.st_uid == os.geteuid() and not folder.st_mode & 0o022
        if above.st_mode & stat.S_IWOTH and not is_ours:
            raise StoreUnavailable(
                f"SQLite store {self.path}: its folder lies where every user can make one, and is not a folder that "
                "only this user can write into; name another file, or remove the folder"
            )

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _explain(self, error: BaseException) -> str:
        if isinstance(error, OSError):
            return f"cannot be opened: {error.strerror or error}"
        code = _primary_code(error)
        if code == sqlite3.SQLITE_BUSY:
            return f"was locked by another process for longer than {self._busy_timeout:g} s"
        if code == sqlite3.SQLITE_FULL:
            return f"no space left: the disk is full, or the file has its limit of {self._max_pages} pages"
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return f"cannot be written: {error}"
        return str(error)


def _primary_code(error: BaseException) -> int:
    # Extended codes have the primary one in their lowest byte. An error of the module itself has none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
