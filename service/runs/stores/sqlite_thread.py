"""A thread that works on a database: what is submitted meanwhile is done in one transaction."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from .base import StoreFull, StoreLimits, StoreUnavailable
from .sqlite_file import Database, DatabaseFile, is_corrupt, is_locked
from .sqlite_runs import StoredRuns

logger = logging.getLogger("sluice.store")

# Operations in one transaction. A single one may be an append for all runs of a worker.
GROUP = 64

T = TypeVar("T")


class _Operation(Generic[T]):
    """Something to do in a transaction, and where its result goes."""

    def __init__(self, work: Callable[[StoredRuns], T]) -> None:
        self._work = work
        self.future: Future[T] = Future()
        self._result: T
        self._refusal: StoreFull | None = None

    def execute(self, runs: StoredRuns) -> None:
        """Do it. A store that is full has changed nothing, and does not disturb the others of the transaction."""
        self._refusal = None
        try:
            self._result = self._work(runs)
        except StoreFull as error:
            self._refusal = error

    def tell(self) -> None:
        """Hand out the result, once the transaction is committed."""
        if self._refusal is not None:
            self.future.set_exception(self._refusal)
        else:
            self.future.set_result(self._result)


class DatabaseThread:
    """Executes operations on a connection that it opens itself. `submit` and `stop` are for any thread."""

    def __init__(
        self,
        file: DatabaseFile,
        limits: StoreLimits,
        clock: Callable[[], float],
        *,
        reads_only: bool,
        on_change: Callable[[Iterable[str]], None] = lambda run_ids: None,
    ) -> None:
        """Start the thread.

        Args:
            file: The database.
            limits: The store's limits.
            clock: Returns the time in seconds since 1970.
            reads_only: Whether the operations only read. Then they do not wait for those that write.
            on_change: Called on the thread with the ids of runs that a transaction has changed, after its commit.
        """
        self._file = file
        self._limits = limits
        self._clock = clock
        self._reads_only = reads_only
        self._on_change = on_change
        self._database: Database | None = None
        self._queue: queue.SimpleQueue[_Operation[Any] | None] = queue.SimpleQueue()
        #: Done when the thread has closed its connection.
        self.ended: Future[None] = Future()
        # Who waits for it may give up, which must not cancel it.
        self.ended.set_running_or_notify_cancel()
        name = "sluice-store-reader" if reads_only else "sluice-store-writer"
        # A thread that is stuck in the file system must not hold the process.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[StoredRuns], T]) -> Future[T]:
        """Queue an operation, and return the future of its result. One that is cancelled before its turn is left out.

        The future raises what the operation raises, or `StoreUnavailable`.
        """
        operation = _Operation(work)
        self._queue.put(operation)
        return operation.future

    def stop(self) -> None:
        """Let the thread end after what is queued."""
        self._queue.put(None)

    # ------------------------------------------------------------------ on the thread

    def _run(self) -> None:
        is_stopping = False
        while not is_stopping:
            group: list[_Operation[Any]] = []
            operation = self._queue.get()
            while operation is not None:
                if operation.future.set_running_or_notify_cancel():
                    group.append(operation)
                if len(group) == GROUP or self._queue.empty():
                    break
                operation = self._queue.get()
            is_stopping = operation is None
            if group:
                self._execute_all(group)
        if self._database is not None:
            self._database.close()
        self.ended.set_result(None)

    def _execute_all(self, group: Sequence[_Operation[Any]]) -> None:
        error = self._execute(group)
        if error is None:
            return
        if len(group) > 1 and not isinstance(error, StoreUnavailable) and not is_locked(error):
            # One of them may be what cannot be done. A deletion makes room where an append finds none.
            for operation in group:
                self._execute_all([operation])
            return
        for operation in group:
            operation.future.set_exception(self._told(error))

    def _told(self, error: Exception) -> Exception:
        """Return what one waiter gets: an exception of its own, as raising one adds to its traceback."""
        if isinstance(error, StoreUnavailable):
            return StoreUnavailable(*error.args)
        return self._file.unavailable(error) if isinstance(error, sqlite3.Error) else error

    def _execute(self, group: Sequence[_Operation[Any]]) -> Exception | None:
        """Execute a group in one transaction, in a new file where the old one is gone or corrupt.

        Returns:
            Why nothing of it was done; None where all was done, and the results were handed out.
        """
        try:
            try:
                runs = self._transact(group)
            except sqlite3.Error as error:
                if not is_corrupt(error) or self._database is None:
                    raise
                corrupt, self._database = self._database, None
                self._database = self._file.reconnect(corrupt, error, reads_only=self._reads_only)
                runs = self._transact(group)
        except Exception as error:  # it is raised by the futures
            return error
        for operation in group:
            operation.tell()
        if runs.changed:
            self._on_change(runs.changed)
        return None

    def _transact(self, group: Sequence[_Operation[Any]]) -> StoredRuns:
        connection = self._connection()
        connection.execute("BEGIN" if self._reads_only else "BEGIN IMMEDIATE")
        try:
            runs = StoredRuns(connection, self._limits, self._clock())
            for operation in group:
                operation.execute(runs)
            connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, as after one for want of space.
            if connection.in_transaction:
                self._roll_back(connection)
            raise
        return runs

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Its transaction would be in the way of the next one. A new connection reads the file's last commit.
            logger.warning("SQLite store %s: cannot roll back; the file is opened again", self._file.path)
            connection.close()
            self._database = None

    def _connection(self) -> sqlite3.Connection:
        """Return a connection to the file that lies there now."""
        database = self._database
        if database is None:
            database = self._file.connect(reads_only=self._reads_only)
        elif not self._file.is_current(database):
            self._database = None
            logger.warning("SQLite store %s was deleted, emptied or replaced: its runs are lost", self._file.path)
            database = self._file.reconnect(database, reads_only=self._reads_only)
        self._database = database
        return database.connection
