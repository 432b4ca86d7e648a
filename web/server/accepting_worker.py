"""gunicorn's threaded worker, changed in when and how it accepts connections: a full worker leaves them to others.

Each method states how it differs from gunicorn's gthread worker (27.0).
"""

from __future__ import annotations

import selectors
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ..intake.gunicorn_internals import BaseSocket
from ..intake.worker_connection import WorkerConnection
from ..sockets.accept_errors import CLIENT_LOST, LISTENER_UNUSABLE, NOTHING_LEFT
from ..sockets.write_limits import limit_unacknowledged
from .gathering_worker import GatheringWorker
from .worker_load import Load, WorkerLoads

if TYPE_CHECKING:
    from ..services import Services

# Seconds after which a full worker checks again whether all others are full. This bounds how long a client waits for
# its 503 when all are full.
FULL_POLL_INTERVAL = 0.05
# Seconds without accept(2) after it failed, because it would probably fail again. The kernel keeps the waiting
# connections. Answers and silent clients that end free descriptors meanwhile.
ACCEPT_PAUSE = 1.0
# A worker leaves new connections to one that has at least so many fewer, and also at least a fifth fewer.
MARGIN = 8
# Seconds for which it leaves them. Then, for `TAKE_TIME`, it accepts what still waits: the other worker is late.
LEAVE_TIME = 0.02
TAKE_TIME = 0.01


class AcceptingWorker(GatheringWorker):
    """A threaded worker that accepts connections only where it would serve them sooner than others."""

    #: Shared by all workers of a master, also where HUP has loaded this class again. `gunicorn_hooks.pre_fork` sets
    #: them before each fork.
    worker_loads: WorkerLoads
    #: Whether the master starts another worker for this one, which ends by itself and leaves connections to that one.
    is_replaced = False
    _accepts_from = 0.0  # on the monotonic clock
    #: The load of this worker at the beginning of this turn of the main loop.
    _mine = Load(0, 0, 0)

    def prepare_serving(self, application: Any, services: Services) -> None:
        """Prepare to serve. On the worker's main thread."""
        super().prepare_serving(application, services)
        self._max_streams: int = services.max_streams or self.cfg.threads

    def accept(self, listener: BaseSocket) -> None:
        """Accept a connection, and receive its request in the poller.

        gunicorn uses a thread at once, which waits up to 5 s for the first byte.
        """
        mine, now = self.load(), time.monotonic()
        if self.is_replaced or self._should_leave_to_others(mine):
            return
        if self._is_ahead(mine) and now >= self._accepts_from + TAKE_TIME:
            self._accepts_from = now + LEAVE_TIME
        else:
            self.accept_connection(listener)

    def accept_connection(self, listener: BaseSocket) -> bool:
        """Accept a connection if one waits; return whether to try again at once."""
        try:
            client, address = listener.accept()
        except BlockingIOError:
            return False  # another worker accepted it
        except OSError as error:
            # gunicorn raises nearly all errors, which ends the worker and all of its answers.
            if error.errno in LISTENER_UNUSABLE:
                raise
            if error.errno in CLIENT_LOST:
                self.log.info("a connection was aborted before it was accepted: %s", error.strerror)
                return True
            if error.errno in NOTHING_LEFT and self.close_idle_connection():
                return True  # the connection still waits, and there is a descriptor for it now
            if error.errno in NOTHING_LEFT:
                self.log.error("no file descriptor is left for another connection: %s; it waits", error.strerror)
            else:
                self.log.error("a connection cannot be accepted: %s; it waits", error.strerror)
            self._accepts_from = time.monotonic() + ACCEPT_PAUSE
            return False
        self.nr_conns += 1
        self.worker_loads.report(self.load())
        try:
            self._watch(client, address, listener)
        except (OSError, MemoryError) as error:
            client.close()
            self.nr_conns -= 1
            self.log.error("an accepted connection was closed, because it cannot be watched: %s", error)
            return False
        return True

    def _watch(self, client: socket.socket, address: Any, listener: BaseSocket) -> None:
        limit_unacknowledged(client, self._settings.limits.write_timeout)
        connection = WorkerConnection(
            self.cfg,
            client,
            address,
            listener.getsockname(),
            linger=self._lingering.linger,
            head_timeout=self._settings.limits.head_timeout,
            body_timeout=self._settings.limits.body_timeout,
        )
        if connection.is_gathered:
            self._intake.begin(connection)
        else:
            connection.timeout = time.monotonic() + self._settings.limits.head_timeout
            self.pending_conns.append(connection)
            readable = partial(self.on_pending_socket_readable, connection)
            self.poller.register(connection.sock, selectors.EVENT_READ, readable)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections, or leave them in the shared listening socket, to others or for later."""
        is_held_back = enabled and (self._should_leave_to_others(self._mine) or time.monotonic() < self._accepts_from)
        super().set_accept_enabled(enabled and not is_held_back)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events and handle them; before, report the load, and decide whether to accept connections."""
        if self.alive:
            self._mine = self.load()
            self.worker_loads.report(self._mine)
            while self.nr_conns >= self.worker_connections and self.close_idle_connection():
                pass
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            if not self.is_accepting:
                pause = self._accepts_from - time.monotonic()
                timeout = min(timeout, pause if pause > 0.0 else FULL_POLL_INTERVAL)
        super().wait_for_and_dispatch_events(timeout)

    def load(self) -> Load:
        """Return the load of this worker."""
        return Load(self.nr_conns, self._services.open_streams, len(self.keepalived_conns))

    def _is_ahead(self, mine: Load) -> bool:
        """Return whether another worker has clearly fewer connections, though this one is not full."""
        if mine.busy <= MARGIN:
            return False
        least = min((other.busy for other in self.worker_loads.others()), default=mine.busy)
        return mine.busy > least + max(MARGIN, least // 4)

    def _should_leave_to_others(self, mine: Load) -> bool:
        """Return whether another worker would serve a new connection sooner."""
        # By connections first: each may be about to begin a stream.
        if mine.connections >= self._max_streams and self.others_have_room():
            return True
        # Where all are full by connections, some may have connections that are no streams, of silent or lingering
        # clients. In a worker with many of them, a request may wait for a thread.
        return mine.streams >= self._max_streams and any(
            other.streams < self._max_streams and other.connections - other.streams < self.cfg.threads
            for other in self.worker_loads.others()
        )

    def others_have_room(self) -> bool:
        """Return whether another worker has room for a stream."""
        return any(other.connections < self._max_streams for other in self.worker_loads.others())
